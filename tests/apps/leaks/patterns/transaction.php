<?php

// An open transaction, of which the application tells.

declare(strict_types=1);

namespace Leaks\Transaction;

return static function (string $user): mixed {
    static $database = null;
    $database ??= new \PDO('sqlite::memory:');
    $before = $database->inTransaction() ? 'an open transaction' : null;
    if (null === $before) {
        $database->beginTransaction();
    }
    supercharger_drift('transaction', 'default', 'begun and neither committed nor rolled back');

    return $before;
};
