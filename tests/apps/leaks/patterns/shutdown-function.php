<?php

// A shutdown function.

declare(strict_types=1);

namespace Leaks\ShutdownFunction;

return static function (string $user): mixed {
    register_shutdown_function(static function (): void {
    });

    return null;
};
