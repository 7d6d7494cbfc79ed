<?php

// An event listener that is added with each request.

declare(strict_types=1);

namespace Leaks\Listener;

final class Dispatcher
{
    /** @var array<string, list<\Closure(): ?string>> */
    private array $listeners = [];

    public function listen(string $event, \Closure $listener): void
    {
        $this->listeners[$event][] = $listener;
    }

    public function dispatch(string $event): mixed
    {
        $last = null;
        foreach ($this->listeners[$event] ?? [] as $listener) {
            $last = $listener();
        }

        return $last;
    }
}

$dispatcher = new Dispatcher();

return static function (string $user) use ($dispatcher): mixed {
    $before = $dispatcher->dispatch('saved');
    $dispatcher->listen('saved', static fn (): string => $user);

    return $before;
};
