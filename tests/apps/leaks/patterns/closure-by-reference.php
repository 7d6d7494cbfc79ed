<?php

// A variable that a kept closure shares by reference.

declare(strict_types=1);

namespace Leaks\ClosureByReference;

$last = null;

return static function (string $user) use (&$last): mixed {
    $before = $last;
    $last = $user;

    return $before;
};
