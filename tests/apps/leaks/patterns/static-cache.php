<?php

// A cache in a static property, keyed by user.

declare(strict_types=1);

namespace Leaks\StaticCache;

final class Cache
{
    /** @var array<string, string> */
    private static array $profiles = [];

    public static function profile(string $user): mixed
    {
        $before = array_key_last(self::$profiles);
        self::$profiles[$user] ??= "profile of $user";

        return $before;
    }
}

return Cache::profile(...);
