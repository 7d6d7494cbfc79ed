<?php

// A service with a property that keeps the user.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/service-property')]
final class ServiceProperty
{
    private ?string $user = null;

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->user;
        $this->user = $request->query->getString('user');

        return new JsonResponse($before);
    }
}
