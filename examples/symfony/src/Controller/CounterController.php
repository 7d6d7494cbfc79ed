<?php

declare(strict_types=1);

namespace App\Controller;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

final readonly class CounterController
{
    #[Route('/counter', name: 'counter', methods: ['GET'])]
    public function __invoke(Request $request): JsonResponse
    {
        $session = $request->getSession();
        $count = $session->get('count', 0) + 1;
        $session->set('count', $count);

        return new JsonResponse(['count' => $count]);
    }
}
