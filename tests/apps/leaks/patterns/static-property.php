<?php

// A user id in a static property.

declare(strict_types=1);

namespace Leaks\StaticProperty;

final class Auth
{
    public static ?string $user = null;
}

return static function (string $user): mixed {
    $before = Auth::$user;
    Auth::$user = $user;

    return $before;
};
