<?php

declare(strict_types=1);

// A PSR-15 request handler. The server carries Supercharger\Runtime\App\Loop; the project brings a PSR-7 library.

use App\PsrHandler;
use Supercharger\Runtime\App\Loop;

require dirname(__DIR__).'/vendor/autoload.php';

exit(Loop::run(new PsrHandler()));
