<?php

// A singleton that a compiler pass has made a service.

declare(strict_types=1);

namespace App\Leak;

use App\Leak\CompilerPass\Tenant;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/compiler-pass')]
final readonly class CompilerPass
{
    public function __construct(private Tenant $tenant)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->tenant->user;
        $this->tenant->user = $request->query->getString('user');

        return new JsonResponse($before);
    }
}
