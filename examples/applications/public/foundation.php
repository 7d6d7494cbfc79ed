<?php

declare(strict_types=1);

// A function that takes a request of Symfony's HttpFoundation and gives a response of it. No kernel, no container.

use App\FoundationPages;
use Supercharger\Runtime\App\Loop;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

require dirname(__DIR__).'/vendor/autoload.php';

$pages = new FoundationPages();

exit(Loop::run(static fn (Request $request): Response => $pages->answer($request)));
