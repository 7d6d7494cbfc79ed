<?php

// A service whose reset() forgets one of its properties.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Contracts\Service\ResetInterface;

#[Route('/reset-forgets')]
final class ResetForgets implements ResetInterface
{
    private ?string $user = null;
    private int $visits = 0;

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->user;
        $this->user = $request->query->getString('user');
        ++$this->visits;

        return new JsonResponse($before);
    }

    public function reset(): void
    {
        $this->visits = 0;
    }
}
