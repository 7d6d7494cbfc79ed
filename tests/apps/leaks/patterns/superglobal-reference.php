<?php

// A reference to a superglobal that is kept.

declare(strict_types=1);

namespace Leaks\SuperglobalReference;

final class Input
{
    /** @var ?array<string, mixed> */
    public static ?array $query = null;
}

return static function (string $user): mixed {
    $before = Input::$query['user'] ?? null;
    Input::$query = &$_GET;

    return $before;
};
