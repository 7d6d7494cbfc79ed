<?php

// A flush that fails, which closes the manager.

declare(strict_types=1);

namespace App\Leak;

use App\Entity\Account;
use Doctrine\DBAL\Exception\UniqueConstraintViolationException;
use Doctrine\ORM\EntityManagerInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/doctrine-closed-manager')]
final readonly class DoctrineClosedManager
{
    public function __construct(private EntityManagerInterface $manager)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        if (!$this->manager->isOpen()) {
            return new JsonResponse('a closed manager');
        }
        $this->manager->persist(new Account(1, $request->query->getString('user')));
        try {
            $this->manager->flush();
        } catch (UniqueConstraintViolationException) {
        }

        return new JsonResponse(null);
    }
}
