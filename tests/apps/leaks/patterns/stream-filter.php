<?php

// A stream filter for each request.

declare(strict_types=1);

namespace Leaks\StreamFilter;

return static function (string $user): mixed {
    $before = array_filter(stream_get_filters(), static fn (string $name): bool => str_starts_with($name, 'user.'));
    stream_filter_register("user.$user", \php_user_filter::class);

    return end($before) ?: null;
};
