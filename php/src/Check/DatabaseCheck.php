<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

use Doctrine\DBAL\Connection;

/** Asks a database for a constant. */
final readonly class DatabaseCheck implements CheckInterface
{
    public function __construct(private Connection $connection)
    {
    }

    public function check(): ?string
    {
        try {
            $this->connection->executeQuery($this->connection->getDatabasePlatform()->getDummySelectSQL())->free();
        } catch (\Throwable $e) {
            // A connection that has broken stays so; the next check, and the next request, open another one.
            $this->connection->close();

            throw $e;
        }

        return null;
    }
}
