<?php

// A generator that is kept between requests.

declare(strict_types=1);

namespace Leaks\Generator;

final class Feed
{
    /** @var ?\Generator<int, ?string, string, void> */
    private static ?\Generator $feed = null;

    public static function push(string $user): mixed
    {
        if (null === self::$feed) {
            self::$feed = (static function (): \Generator {
                $all = [];
                while (true) {
                    $all[] = yield end($all) ?: null;
                }
            })();
        }
        $before = self::$feed->current();
        self::$feed->send($user);

        return $before;
    }
}

return Feed::push(...);
