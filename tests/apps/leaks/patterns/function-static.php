<?php

// A request's user in a static variable of a function.

declare(strict_types=1);

namespace Leaks\FunctionStatic;

function remembered(string $user): mixed
{
    static $last = null;
    $before = $last;
    $last = $user;

    return $before;
}

return remembered(...);
