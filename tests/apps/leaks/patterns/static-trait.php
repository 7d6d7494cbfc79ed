<?php

// A static property of a trait.

declare(strict_types=1);

namespace Leaks\StaticTrait;

trait Remembers
{
    private static ?string $last = null;

    public static function remember(string $user): mixed
    {
        $before = self::$last;
        self::$last = $user;

        return $before;
    }
}

final class Visitor
{
    use Remembers;
}

return Visitor::remember(...);
