<?php

// An event listener that is added with each request.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\EventDispatcher\EventDispatcherInterface;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Contracts\EventDispatcher\Event;

#[Route('/event-listener')]
final readonly class EventListener
{
    public function __construct(private EventDispatcherInterface $dispatcher)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $told = new class extends Event {
            public ?string $user = null;
        };
        $this->dispatcher->dispatch($told, 'account.read');
        $user = $request->query->getString('user');
        $this->dispatcher->addListener('account.read', static function (Event $event) use ($user): void {
            $event->user ??= $user;
        });

        return new JsonResponse($told->user);
    }
}
