<?php

// An entity that is changed and not flushed.

declare(strict_types=1);

namespace App\Leak;

use App\Entity\Account;
use Doctrine\ORM\EntityManagerInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/doctrine-identity-map')]
final readonly class DoctrineIdentityMap
{
    public function __construct(private EntityManagerInterface $manager)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $account = $this->manager->find(Account::class, 1);
        $before = $account->owner;
        $account->owner = $request->query->getString('user');

        return new JsonResponse('nobody' === $before ? null : $before);
    }
}
