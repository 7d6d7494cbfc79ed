<?php

// A cache pool in memory, under a key that is the same for all.

declare(strict_types=1);

namespace App\Leak;

use Psr\Cache\CacheItemPoolInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/cache-in-memory')]
final readonly class CacheInMemory
{
    public function __construct(private CacheItemPoolInterface $pool)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $item = $this->pool->getItem('profile');
        $before = $item->get();
        $this->pool->save($item->set($request->query->getString('user')));

        return new JsonResponse($before);
    }
}
