<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

use Symfony\Component\Routing\Exception\ExceptionInterface;
use Symfony\Component\Routing\RouterInterface;

/** Loads the compiled routes. */
final readonly class RouterWarmer implements WarmerInterface
{
    public function __construct(private RouterInterface $router)
    {
    }

    public function warm(): void
    {
        try {
            $this->router->match('/');
        } catch (ExceptionInterface) {
            // Whether there is such a route is not the question.
        }
    }
}
