<?php

// A parameter of the router that a request sets.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Component\Routing\RequestContext;

#[Route('/router-context')]
final readonly class RouterContext
{
    public function __construct(private RequestContext $context)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->context->getParameter('tenant');
        $this->context->setParameter('tenant', $request->query->getString('user'));

        return new JsonResponse($before);
    }
}
