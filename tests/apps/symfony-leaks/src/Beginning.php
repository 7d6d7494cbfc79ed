<?php

declare(strict_types=1);

namespace App;

use Doctrine\ORM\EntityManagerInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\Routing\RequestContext;
use Twig\Environment;

/** No leak: what the boot sets is the worker's, and each request is to find it. */
final readonly class Beginning
{
    public function __construct(private EntityManagerInterface $manager, private Environment $twig, private RequestContext $context)
    {
    }

    public function set(): void
    {
        $this->manager->getFilters()->enable('owner')->setParameter('owner', 'everybody');
        $this->twig->addGlobal('user', 'everybody');
        $this->context->setParameter('tenant', 'everybody');
    }

    public function __invoke(): JsonResponse
    {
        $filters = $this->manager->getFilters();

        return new JsonResponse([
            $filters->isEnabled('owner') ? trim($filters->getFilter('owner')->getParameter('owner'), "'") : null,
            $this->twig->getGlobals()['user'] ?? null,
            $this->context->getParameter('tenant'),
        ]);
    }
}
