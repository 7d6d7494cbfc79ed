<?php

// A static property of a parent class, written through its child.

declare(strict_types=1);

namespace Leaks\StaticInherited;

abstract class Model
{
    protected static ?string $owner = null;

    public static function own(string $user): mixed
    {
        $before = static::$owner;
        static::$owner = $user;

        return $before;
    }
}

final class Order extends Model
{
}

return Order::own(...);
