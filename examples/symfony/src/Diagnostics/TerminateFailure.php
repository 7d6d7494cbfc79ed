<?php

declare(strict_types=1);

namespace App\Diagnostics;

use Symfony\Component\EventDispatcher\Attribute\AsEventListener;
use Symfony\Component\HttpKernel\Event\TerminateEvent;

/**
 * Fails after the response of one route has been sent. The client must not notice.
 */
final readonly class TerminateFailure
{
    public const string ROUTE = 'fail_terminate';

    #[AsEventListener]
    public function onTerminate(TerminateEvent $event): void
    {
        if (self::ROUTE === $event->getRequest()->attributes->get('_route')) {
            throw new \RuntimeException('deliberate failure after the response');
        }
    }
}
