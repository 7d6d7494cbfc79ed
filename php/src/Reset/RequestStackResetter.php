<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Symfony\Component\HttpFoundation\RequestStack;

/** Takes away requests that somebody has pushed and an exception has left behind. */
final readonly class RequestStackResetter implements ResetterInterface
{
    public function __construct(private RequestStack $requests)
    {
    }

    public function reset(): void
    {
        while (null !== $this->requests->pop());
    }
}
