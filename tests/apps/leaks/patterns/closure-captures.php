<?php

// A closure that captures its request and is kept.

declare(strict_types=1);

namespace Leaks\ClosureCaptures;

final class Later
{
    public static ?\Closure $task = null;
}

return static function (string $user): mixed {
    $before = null === Later::$task ? null : (Later::$task)();
    Later::$task = static fn (): string => $user;

    return $before;
};
