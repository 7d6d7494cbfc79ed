<?php

// A service that gathers in an array property.

declare(strict_types=1);

namespace Leaks\ServiceArray;

final class Collector
{
    /** @var array<string, list<string>> */
    private array $seen = ['users' => []];

    public function collect(string $user): mixed
    {
        $before = end($this->seen['users']) ?: null;
        $this->seen['users'][] = $user;

        return $before;
    }
}

$collector = new Collector();

return $collector->collect(...);
