<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Doctrine\DBAL\Connection;
use Doctrine\ORM\EntityManagerInterface;
use Doctrine\Persistence\ManagerRegistry;
use Doctrine\Persistence\ObjectManager;

/**
 * Leaves Doctrine as the next request should find it: no transaction, no entity, no closed manager. Connections stay open.
 *
 * Only what a request has used is looked at; nothing is asked of a database, except by mysqli, which cannot tell whether a transaction is open.
 */
final readonly class DoctrineResetter implements CompositeResetter
{
    /**
     * @param iterable<string, Connection>    $connections that have been used
     * @param iterable<string, ObjectManager> $managers    that have been used
     */
    public function __construct(
        private iterable $connections,
        private iterable $managers,
        private DoctrineConnections $health,
        private ?ManagerRegistry $registry = null,
        private bool $enabled = true,
    ) {
    }

    public function resetAllInto(ResetReport $report): void
    {
        if (!$this->enabled) {
            return;
        }
        foreach ($this->connections as $id => $connection) {
            if (!LazyObjects::isUntouched($connection)) {
                $report->run($id, static fn () => self::rollBack($id, $connection));
            }
        }
        foreach ($this->managers as $id => $manager) {
            if (!LazyObjects::isUntouched($manager)) {
                $report->run($id, fn () => $this->clear($id, $manager));
            }
        }
        $this->health->requestIsOver();
    }

    /** A transaction that cannot be rolled back ends with its connection. */
    private static function rollBack(string $id, Connection $connection): void
    {
        if (!$connection->isConnected()) {
            return;
        }
        // Without auto-commit Doctrine begins the next transaction at once: one is always open.
        $level = $connection->getTransactionNestingLevel();
        $left = $level > ($connection->isAutoCommit() ? 0 : 1);
        try {
            for (; $level > 0; --$level) {
                $connection->rollBack();
            }
            $left = ($connection->isAutoCommit() && self::rollBackBehind($connection->getNativeConnection())) || $left;
        } catch (\Throwable) {
            $connection->close();
        }
        if ($left) {
            Drift::lost('transaction', $id, 'begun and neither committed nor rolled back; it has been rolled back');
        }
    }

    /**
     * One that was begun with SQL, behind Doctrine's back.
     *
     * @return bool whether there was one; mysqli cannot tell
     */
    private static function rollBackBehind(mixed $native): bool
    {
        if ($native instanceof \PDO) {
            return $native->inTransaction() && $native->rollBack();
        }
        if ($native instanceof \SQLite3) {
            return self::rollBackFile($native);
        }
        if ($native instanceof \mysqli && !$native->rollback()) {
            throw new \RuntimeException('The transaction cannot be rolled back.');
        }

        return false;
    }

    /** SQLite3 does not say whether a transaction is open; the attempt costs no I/O. */
    private static function rollBackFile(\SQLite3 $native): bool
    {
        try {
            return $native->exec('ROLLBACK');
        } catch (\Exception $e) {
            if (!str_contains($e->getMessage(), 'no transaction is active')) {
                throw $e;
            }

            return false;
        }
    }

    private function clear(string $id, ObjectManager $manager): void
    {
        if (!$manager instanceof EntityManagerInterface || $manager->isOpen()) {
            $manager->clear();

            return;
        }
        Drift::putBack('closed_manager', $id, 'closed, as a flush that fails leaves it');
        $name = array_search($id, $this->registry?->getManagerNames() ?? [], true);
        if (false !== $name) {
            try {
                $this->registry?->resetManager((string) $name);
                $manager->clear();

                return;
            } catch (\LogicException) {
                // The service is not lazy, so the registry cannot make it anew in its place.
            }
        }
        ClosedManager::open($manager);
    }
}
