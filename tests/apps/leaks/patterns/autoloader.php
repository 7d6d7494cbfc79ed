<?php

// An autoloader that is added with each request.

declare(strict_types=1);

namespace Leaks\Autoloader;

return static function (string $user): mixed {
    $before = \count(spl_autoload_functions());
    spl_autoload_register(static function (string $class) use ($user): void {
    });

    return $before > 1 ? "$before autoloaders" : null;
};
