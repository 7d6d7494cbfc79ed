<?php

// A constant that holds the user of the first request.

declare(strict_types=1);

namespace Leaks\Constant;

return static function (string $user): mixed {
    $before = \defined('TENANT') ? \constant('TENANT') : null;
    if (null === $before) {
        \define('TENANT', $user);
    }

    return $before;
};
