<?php

// A global of Twig that a request sets.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Twig\Environment;

#[Route('/twig-global')]
final readonly class TwigGlobal
{
    public function __construct(private Environment $twig)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->twig->getGlobals()['user'] ?? null;
        $this->twig->addGlobal('user', $request->query->getString('user'));

        return new JsonResponse($before);
    }
}
