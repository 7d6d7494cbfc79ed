<?php

// A request that is pushed onto the stack and not popped.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\RequestStack;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/request-pushed')]
final readonly class RequestPushed
{
    public function __construct(private RequestStack $requests)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $main = $this->requests->getMainRequest();
        $this->requests->push(clone $request);

        return new JsonResponse($main === $request ? null : $main?->query->getString('user'));
    }
}
