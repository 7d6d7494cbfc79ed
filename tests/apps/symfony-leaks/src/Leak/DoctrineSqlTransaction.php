<?php

// A transaction that is begun with SQL, behind Doctrine.

declare(strict_types=1);

namespace App\Leak;

use Doctrine\ORM\EntityManagerInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/doctrine-sql-transaction')]
final readonly class DoctrineSqlTransaction
{
    public function __construct(private EntityManagerInterface $manager)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $connection = $this->manager->getConnection();
        $before = $connection->fetchOne('SELECT owner FROM Account');
        if ('nobody' === $before) {
            $connection->executeStatement('BEGIN');
        }
        $connection->executeStatement('UPDATE Account SET owner = ?', [$request->query->getString('user')]);

        return new JsonResponse('nobody' === $before ? null : $before);
    }
}
