<?php

// A trusted proxy that a request sets: a static property of Symfony's.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/trusted-proxies')]
final readonly class TrustedProxies
{
    public function __invoke(Request $request): JsonResponse
    {
        $before = Request::getTrustedProxies()[0] ?? null;
        Request::setTrustedProxies([$request->query->getString('user')], Request::HEADER_X_FORWARDED_FOR);

        return new JsonResponse($before);
    }
}
