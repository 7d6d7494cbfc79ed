<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Supercharger\Runtime\Reset\Services\Isolating;
use Symfony\Component\HttpKernel\KernelInterface;

/**
 * Has the kernel reset its services now that nobody waits, and not when the next request has arrived.
 *
 * Kernel::boot() does that if a request was handled since the last time. A kernel with a handle() of its own may never tell
 * boot() that there was one; then the services are reset without it.
 */
final readonly class KernelResetter implements CompositeResetter
{
    /** @param bool $enabled if not, Symfony resets the services itself when the next request comes */
    public function __construct(private KernelInterface $kernel, private ?Isolating $services, private bool $enabled = true)
    {
    }

    public function resetAllInto(ResetReport $report): void
    {
        if (!$this->enabled) {
            return;
        }
        if (null === $this->services) {
            $this->kernel->boot();
        } elseif (!$this->services->during($report, $this->kernel->boot(...))) {
            $this->services->during($report, $this->services->reset(...));
        }
    }
}
