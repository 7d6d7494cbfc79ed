<?php

// A filter of the entity manager that stays enabled.

declare(strict_types=1);

namespace App\Leak;

use Doctrine\ORM\EntityManagerInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/doctrine-filter')]
final readonly class DoctrineFilter
{
    public function __construct(private EntityManagerInterface $manager)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $filters = $this->manager->getFilters();
        $before = $filters->isEnabled('owner') ? trim($filters->getFilter('owner')->getParameter('owner'), "'") : null;
        $filters->enable('owner')->setParameter('owner', $request->query->getString('user'));

        return new JsonResponse($before);
    }
}
