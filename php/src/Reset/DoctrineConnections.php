<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\Exception as DatabaseException;
use Symfony\Component\HttpKernel\Event\ExceptionEvent;
use Symfony\Component\HttpKernel\Event\RequestEvent;

/**
 * Finds connections that the database has closed before a request stumbles over them, and closes our end: Doctrine connects anew when one is
 * used.
 *
 * A connection is asked for a sign of life when its worker has been idle, when the request after a pause begins, and when a
 * request has failed in the database. A busy worker asks nothing.
 */
final class DoctrineConnections
{
    private bool $suspect = false;
    private ?int $lastUse = null;

    /**
     * @param iterable<string, Connection> $connections that have been used
     * @param int                          $seconds     without a request after which the next one asks first; 0: never
     */
    public function __construct(private readonly iterable $connections, private readonly int $seconds)
    {
    }

    public function onRequest(RequestEvent $event): void
    {
        if ($event->isMainRequest() && null !== $this->lastUse && $this->seconds > 0
            && hrtime(true) - $this->lastUse >= $this->seconds * 1_000_000_000) {
            $this->ping();
        }
    }

    public function onException(ExceptionEvent $event): void
    {
        for ($thrown = $event->getThrowable(); null !== $thrown && !$this->suspect; $thrown = $thrown->getPrevious()) {
            // A page that is not there says nothing of a database.
            $this->suspect = $thrown instanceof DatabaseException || $thrown instanceof \PDOException;
        }
    }

    /** At the boundary, when no client waits. */
    public function requestIsOver(): void
    {
        if ($this->suspect) {
            $this->suspect = false;
            $this->ping();
        }
        $this->lastUse = hrtime(true);
    }

    /** Keeps what lives alive and gives up what does not. Never throws. */
    public function ping(): void
    {
        foreach ($this->connections as $connection) {
            if (LazyObjects::isUntouched($connection) || !$connection->isConnected()) {
                continue;
            }
            try {
                $connection->executeQuery($connection->getDatabasePlatform()->getDummySelectSQL())->free();
            } catch (\Throwable) {
                $connection->close();
            }
        }
        $this->lastUse = hrtime(true);
    }
}
