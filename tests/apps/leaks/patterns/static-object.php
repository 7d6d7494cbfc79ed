<?php

// The object of one request in a static property.

declare(strict_types=1);

namespace Leaks\StaticObject;

final class Request
{
    public function __construct(public readonly string $user)
    {
    }
}

final class Current
{
    public static ?Request $request = null;
}

return static function (string $user): mixed {
    $before = Current::$request?->user;
    Current::$request = new Request($user);

    return $before;
};
