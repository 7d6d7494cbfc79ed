<?php

declare(strict_types=1);

/* No suite of Debian has the interfaces of PSR-15. With Composer's libraries these are never loaded. */

namespace Psr\Http\Server {
    use Psr\Http\Message\MessageInterface;
    use Psr\Http\Message\ResponseInterface;
    use Psr\Http\Message\ServerRequestInterface;

    // The working folder is the application that scripts/package-tests has made for one Symfony series.
    require getcwd().'/vendor/autoload.php';

    // Those of PSR-17 are in Debian's package of PSR-7, but not in its autoloader.
    spl_autoload_register(static function (string $class): void {
        if (str_starts_with($class, 'Psr\\Http\\Message\\') && str_ends_with($class, 'FactoryInterface') && interface_exists(MessageInterface::class)) {
            $file = \dirname((string) (new \ReflectionClass(MessageInterface::class))->getFileName()).strrchr(strtr($class, '\\', '/'), '/').'.php';
            if (is_file($file)) {
                require $file;
            }
        }
    });

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
