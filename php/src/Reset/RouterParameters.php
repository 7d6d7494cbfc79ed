<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Symfony\Component\Routing\RequestContext;

/**
 * Remembers the parameters that the router's context was made and booted with, and takes back what requests have set: they would be in the
 * addresses that the next request makes. From 8.1 on Symfony does that itself.
 */
final class RouterParameters implements ResetterInterface, BootState
{
    /** Set by Symfony with each request. */
    private const array OF_SYMFONY = ['_locale' => 0, '_functions' => 0];

    private ?RequestContext $context = null;

    /** @var array<string, mixed> */
    private array $parameters = [];

    public function configure(RequestContext $context): void
    {
        $this->context = $context;
        $this->remember();
    }

    public function remember(): void
    {
        $this->parameters = $this->context?->getParameters() ?? [];
    }

    public function reset(): void
    {
        $left = $this->context?->getParameters() ?? [];
        if ($left === $this->parameters) {
            return;
        }
        $this->context?->setParameters($this->parameters);
        foreach (array_diff_key($left, self::OF_SYMFONY) as $name => $value) {
            if ($value !== ($this->parameters[$name] ?? null)) {
                Drift::putBack('router_parameter', $name, 'set by a request');
            }
        }
    }
}
