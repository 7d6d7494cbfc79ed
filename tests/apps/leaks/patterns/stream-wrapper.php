<?php

// A stream wrapper for each request.

declare(strict_types=1);

namespace Leaks\StreamWrapper;

final class Nothing
{
    /** @var resource */
    public $context;
}

return static function (string $user): mixed {
    $before = array_filter(stream_get_wrappers(), static fn (string $name): bool => str_starts_with($name, 'user-'));
    stream_wrapper_register("user-$user", Nothing::class);

    return end($before) ?: null;
};
