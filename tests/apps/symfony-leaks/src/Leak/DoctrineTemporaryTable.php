<?php

// A temporary table, which ends with its connection.

declare(strict_types=1);

namespace App\Leak;

use Doctrine\DBAL\Connection;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/doctrine-temporary-table')]
final readonly class DoctrineTemporaryTable
{
    public function __construct(private Connection $connection)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $this->connection->executeStatement('CREATE TEMPORARY TABLE IF NOT EXISTS visitor (name TEXT)');
        $before = $this->connection->fetchOne('SELECT name FROM visitor');
        $this->connection->insert('visitor', ['name' => $request->query->getString('user')]);

        return new JsonResponse(false === $before ? null : $before);
    }
}
