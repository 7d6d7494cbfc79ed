<?php

// A session that is not closed.

declare(strict_types=1);

namespace Leaks\Session;

return static function (string $user): mixed {
    session_start();
    $before = $_SESSION['user'] ?? null;
    $_SESSION['user'] = $user;

    return $before;
};
