<?php

declare(strict_types=1);

// A function that takes a PSR-7 request and gives a PSR-7 response.

use App\PsrPages;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Supercharger\Runtime\App\Loop;

require dirname(__DIR__).'/vendor/autoload.php';

$pages = new PsrPages();

exit(Loop::run(static fn (ServerRequestInterface $request): ResponseInterface => $pages->answer($request)));
