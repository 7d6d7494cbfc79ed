<?php

declare(strict_types=1);

namespace App\Diagnostics;

use Symfony\Component\EventDispatcher\Attribute\AsEventListener;
use Symfony\Component\HttpKernel\Event\RequestEvent;

/**
 * Counts the requests this container has seen. Deliberately never reset: it shows that the container lives on.
 */
final class RequestCounter
{
    private int $requests = 0;

    /** @param ResetCounter $resets only services that are in use are reset, so this one has to be made with the first request */
    public function __construct(public readonly ResetCounter $resets)
    {
    }

    /** Before the router, which ends the event for a wrong address. */
    #[AsEventListener(priority: 1024)]
    public function onRequest(RequestEvent $event): void
    {
        if ($event->isMainRequest()) {
            ++$this->requests;
        }
    }

    public function requests(): int
    {
        return $this->requests;
    }
}
