<?php

// A global variable.

declare(strict_types=1);

namespace Leaks\GlobalVariable;

return static function (string $user): mixed {
    $before = $GLOBALS['current_user'] ?? null;
    $GLOBALS['current_user'] = $user;

    return $before;
};
