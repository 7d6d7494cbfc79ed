<?php

declare(strict_types=1);

/* No suite of Debian has the interfaces of PSR-15. With Composer's libraries these are never loaded. */

namespace Psr\Http\Server {
    use Psr\Http\Message\ResponseInterface;
    use Psr\Http\Message\ServerRequestInterface;

    // The working folder is the application that scripts/package-tests has made for one Symfony series.
    require getcwd().'/vendor/autoload.php';

    if (!interface_exists(RequestHandlerInterface::class)) {
        interface RequestHandlerInterface
        {
            public function handle(ServerRequestInterface $request): ResponseInterface;
        }
    }
    if (!interface_exists(MiddlewareInterface::class)) {
        interface MiddlewareInterface
        {
            public function process(ServerRequestInterface $request, RequestHandlerInterface $handler): ResponseInterface;
        }
    }
}
