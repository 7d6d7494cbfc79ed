<?php

// An extension of Twig with a state.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Twig\Environment;

#[Route('/twig-extension')]
final readonly class TwigExtension
{
    public function __construct(private Environment $twig)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $page = $this->twig->createTemplate('{{ breadcrumb(user) }}');
        $before = $page->render(['user' => $request->query->getString('user')]);

        return new JsonResponse('' === $before ? null : $before);
    }
}
