<?php

declare(strict_types=1);

namespace Bench\Symfony\Controller;

use Bench\Symfony\Catalogue;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;
use Twig\Environment;

/** The same list as JSON and as a page, and an answer to data that was sent. */
final readonly class ArticleController
{
    public function __construct(private Catalogue $catalogue, private Environment $twig)
    {
    }

    #[Route('/api/articles', name: 'api_articles', methods: ['GET'])]
    public function list(Request $request): JsonResponse
    {
        $page = max(0, $request->query->getInt('page'));

        return new JsonResponse(['page' => $page, 'articles' => $this->catalogue->page($page)]);
    }

    #[Route('/articles', name: 'articles', methods: ['GET'])]
    public function show(): Response
    {
        return new Response($this->twig->render('articles.html.twig', ['articles' => $this->catalogue->page(0)]));
    }

    #[Route('/api/articles', name: 'api_order', methods: ['POST'])]
    public function order(Request $request): JsonResponse
    {
        return new JsonResponse(['ordered' => array_sum(array_map(intval(...), $request->getPayload()->all()))]);
    }
}
