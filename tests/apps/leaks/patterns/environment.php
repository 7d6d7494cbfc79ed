<?php

// An environment variable.

declare(strict_types=1);

namespace Leaks\Environment;

return static function (string $user): mixed {
    $before = getenv('CURRENT_USER');
    putenv("CURRENT_USER=$user");

    return false === $before ? null : $before;
};
