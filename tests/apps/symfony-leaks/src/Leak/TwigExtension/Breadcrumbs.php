<?php

declare(strict_types=1);

namespace App\Leak\TwigExtension;

use Twig\Extension\AbstractExtension;
use Twig\TwigFunction;

final class Breadcrumbs extends AbstractExtension
{
    /** @var list<string> */
    private array $crumbs = [];

    public function getFunctions(): array
    {
        return [new TwigFunction('breadcrumb', $this->add(...))];
    }

    public function add(string $crumb): ?string
    {
        $before = $this->crumbs[0] ?? null;
        $this->crumbs[] = $crumb;

        return $before;
    }
}
