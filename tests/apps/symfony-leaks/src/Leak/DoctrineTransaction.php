<?php

// A transaction that is begun and left open.

declare(strict_types=1);

namespace App\Leak;

use Doctrine\ORM\EntityManagerInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/doctrine-transaction')]
final readonly class DoctrineTransaction
{
    public function __construct(private EntityManagerInterface $manager)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $connection = $this->manager->getConnection();
        $before = $connection->fetchOne('SELECT owner FROM Account');
        if (!$connection->isTransactionActive()) {
            $connection->beginTransaction();
        }
        $connection->executeStatement('UPDATE Account SET owner = ?', [$request->query->getString('user')]);

        return new JsonResponse('nobody' === $before ? null : $before);
    }
}
