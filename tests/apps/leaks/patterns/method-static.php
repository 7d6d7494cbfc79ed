<?php

// A static variable of a method.

declare(strict_types=1);

namespace Leaks\MethodStatic;

final class Greeter
{
    public function greet(string $user): mixed
    {
        static $last = null;
        $before = $last;
        $last = $user;

        return $before;
    }
}

$greeter = new Greeter();

return $greeter->greet(...);
