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
        for ($left = 0; null !== $this->requests->pop(); ++$left);
        if ($left > 0) {
            Drift::putBack('request_stack', 'request_stack', "$left pushed and not popped");
        }
    }
}
