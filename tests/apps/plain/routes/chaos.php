<?php

declare(strict_types=1);

namespace App;

/*
 * Requests that leave a trace which outlives everything: one row each, with the id that the client has thought of.
 */

final class Ledger
{
    private static ?\PDO $database = null;

    /** The database of this worker, opened with its first request. */
    public static function database(): \PDO
    {
        if (null === self::$database) {
            self::$database = new \PDO('sqlite:'.test_dir().'/ledger.sqlite', options: [
                \PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION,
                // Seconds that a writer waits for another one.
                \PDO::ATTR_TIMEOUT => 20,
            ]);
            self::$database->exec('PRAGMA journal_mode = WAL');
            // No constraint: a row that is written twice has to be seen, not refused.
            self::$database->exec('CREATE TABLE IF NOT EXISTS ledger (id TEXT NOT NULL, pid INTEGER NOT NULL)');
        }

        return self::$database;
    }
}

/** @return array<string, callable(): void> */
function chaos(): array
{
    return [
        '/ledger' => static function (): void {
            $id = file_get_contents('php://input');
            Ledger::database()->prepare('INSERT INTO ledger (id, pid) VALUES (?, ?)')->execute([$id, getmypid()]);
            echo $id;
        },
        '/ledger-rows' => static function (): void {
            header('Content-Type: text/plain');
            foreach (Ledger::database()->query('SELECT id FROM ledger', \PDO::FETCH_COLUMN, 0) as $id) {
                echo $id, "\n";
            }
        },
        '/ledger-recycle' => static function (): void {
            if (\function_exists('supercharger_recycle')) {
                supercharger_recycle('chaos');
            }
            echo 'recycled';
        },
        // Grows for ever.
        '/leak' => static function (): void {
            static $leaked = [];
            $leaked[] = str_repeat(\chr(\count($leaked) % 256), (int) $_GET['bytes']);
            echo 'leaked';
        },
    ];
}
