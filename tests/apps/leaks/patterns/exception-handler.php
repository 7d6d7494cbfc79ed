<?php

// An exception handler.

declare(strict_types=1);

namespace Leaks\ExceptionHandler;

return static function (string $user): mixed {
    $before = set_exception_handler(static function (\Throwable $thrown): void {
    });

    return null === $before ? null : 'its handler';
};
