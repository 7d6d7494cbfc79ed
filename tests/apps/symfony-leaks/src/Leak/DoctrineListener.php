<?php

// A listener of Doctrine that is added with each request.

declare(strict_types=1);

namespace App\Leak;

use Doctrine\ORM\EntityManagerInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/doctrine-listener')]
final readonly class DoctrineListener
{
    public function __construct(private EntityManagerInterface $manager)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $events = $this->manager->getEventManager();
        $before = array_values($events->getListeners('postLoad'))[0] ?? null;
        $events->addEventListener('postLoad', new class($request->query->getString('user')) {
            public function __construct(public readonly string $user)
            {
            }

            public function postLoad(): void
            {
            }
        });

        return new JsonResponse($before?->user);
    }
}
