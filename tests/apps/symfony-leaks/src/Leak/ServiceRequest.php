<?php

// A service that keeps the request.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/service-request')]
final class ServiceRequest
{
    private ?Request $request = null;

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->request?->query->getString('user');
        $this->request = $request;

        return new JsonResponse($before);
    }
}
