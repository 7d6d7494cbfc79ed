<?php

// Objects that hold each other, newest first.

declare(strict_types=1);

namespace Leaks\LinkedList;

final class Node
{
    public function __construct(public readonly string $user, public readonly ?self $next)
    {
    }
}

final class History
{
    private ?Node $head = null;

    public function add(string $user): mixed
    {
        $before = $this->head?->user;
        $this->head = new Node($user, $this->head);

        return $before;
    }
}

$history = new History();

return $history->add(...);
