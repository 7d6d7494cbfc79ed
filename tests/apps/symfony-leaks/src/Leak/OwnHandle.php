<?php

// A service with a reset(), in a kernel whose own handle() tells nobody of the request.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Contracts\Service\ResetInterface;

#[Route('/own-handle')]
final class OwnHandle implements ResetInterface
{
    private ?string $user = null;

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->user;
        $this->user = $request->query->getString('user');

        return new JsonResponse($before);
    }

    public function reset(): void
    {
        $this->user = null;
    }
}
