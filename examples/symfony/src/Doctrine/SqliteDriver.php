<?php

declare(strict_types=1);

namespace App\Doctrine;

use Doctrine\DBAL\Driver\Connection;
use Doctrine\DBAL\Driver\Middleware\AbstractDriverMiddleware;

/**
 * Opens the SQLite database, and makes it with its table if it is not there yet.
 *
 * Many threads and processes may open it at the same moment, also the very first time: whoever finds it unprepared
 * takes a file lock and looks again. The lock is needed because a change of the journal mode does not wait for others,
 * as everything else in SQLite does once it has a busy timeout.
 */
final class SqliteDriver extends AbstractDriverMiddleware
{
    /** Stored in the database itself; raise it together with SCHEMA. */
    private const int SCHEMA_VERSION = 1;

    private const string SCHEMA = <<<'SQL'
        CREATE TABLE IF NOT EXISTS note (
            id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
            text CLOB NOT NULL,
            created_at DATETIME NOT NULL
        )
        SQL;

    public function connect(#[\SensitiveParameter] array $params): Connection
    {
        $path = $params['path'] ?? throw new \LogicException('The connection has no path.');
        self::makeFolder(\dirname($path));

        $connection = parent::connect($params);
        $connection->exec('PRAGMA busy_timeout = 5000');
        $connection->exec('PRAGMA synchronous = NORMAL');
        if (!self::isPrepared($connection)) {
            self::prepare($connection, $path.'.lock');
        }

        return $connection;
    }

    private static function makeFolder(string $folder): void
    {
        if (!is_dir($folder) && !@mkdir($folder, 0o777, true) && !is_dir($folder)) {
            throw new \RuntimeException(\sprintf('The folder "%s" for the database cannot be made.', $folder));
        }
    }

    private static function isPrepared(Connection $connection): bool
    {
        return self::SCHEMA_VERSION === (int) $connection->query('PRAGMA user_version')->fetchOne();
    }

    private static function prepare(Connection $connection, string $lockFile): void
    {
        $lock = fopen($lockFile, 'c');
        if (false === $lock || !flock($lock, \LOCK_EX)) {
            throw new \RuntimeException(\sprintf('The lock file "%s" cannot be used.', $lockFile));
        }

        try {
            if (!self::isPrepared($connection)) {
                $connection->exec('PRAGMA journal_mode = WAL');
                $connection->exec('BEGIN IMMEDIATE');
                $connection->exec(self::SCHEMA);
                $connection->exec('PRAGMA user_version = '.self::SCHEMA_VERSION);
                $connection->exec('COMMIT');
            }
        } finally {
            fclose($lock);
        }
    }
}
