<?php

// A list in a static variable of a function.

declare(strict_types=1);

namespace Leaks\FunctionStaticArray;

function collected(string $user): mixed
{
    static $all = [];
    $before = end($all) ?: null;
    $all[] = $user;

    return $before;
}

return collected(...);
