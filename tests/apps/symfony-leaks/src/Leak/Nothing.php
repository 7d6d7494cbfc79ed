<?php

// A page that leaves nothing.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/nothing')]
final readonly class Nothing
{
    public function __invoke(): JsonResponse
    {
        return new JsonResponse(null);
    }
}
