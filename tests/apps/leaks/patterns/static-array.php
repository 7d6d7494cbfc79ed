<?php

// A list in a static property that nobody empties.

declare(strict_types=1);

namespace Leaks\StaticArray;

final class Audit
{
    /** @var list<string> */
    private static array $entries = [];

    public static function add(string $entry): mixed
    {
        $before = end(self::$entries) ?: null;
        self::$entries[] = $entry;

        return $before;
    }
}

return Audit::add(...);
