<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/** What Kernel::boot(), a bundle or a warmer has set is the worker's and no request's: it is remembered when the first one arrives. */
final class BootStateListener
{
    /** @param iterable<BootState> $states */
    public function __construct(private iterable $states)
    {
    }

    public function onRequest(): void
    {
        [$states, $this->states] = [$this->states, []];
        foreach ($states as $state) {
            $state->remember();
        }
    }
}
