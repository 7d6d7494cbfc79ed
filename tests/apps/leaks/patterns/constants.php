<?php

// A constant for each request.

declare(strict_types=1);

namespace Leaks\Constants;

return static function (string $user): mixed {
    $before = array_key_last(get_defined_constants(true)['user'] ?? []);
    \define('USER_'.$user, true);

    return $before;
};
