<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

use Symfony\Component\RateLimiter\LimiterStateInterface;
use Symfony\Component\RateLimiter\Storage\StorageInterface;

/**
 * Where Symfony's own limiters keep their state. It is never dropped to make room.
 *
 * They read, decide and write: that is exact only behind a lock that all workers share. The bundle sees to it; who wires by hand gives
 * RateLimiterFactory a LockFactory on {@see LockStore}. {@see ExactLimiter} needs neither.
 */
final class LimiterStorage implements StorageInterface
{
    private const string KIND = 'limiter';
    /** Seconds for which a state is kept that does not say. */
    private const int LONGEST = 366 * 86_400;

    private readonly KeySpace $keys;

    /** @param string $namespace whose limiters these are, where several projects share the server */
    public function __construct(string $namespace = '')
    {
        ExactLimiter::check();
        $this->keys = new KeySpace(self::KIND, $namespace);
    }

    public function save(LimiterStateInterface $limiterState): void
    {
        // No time at all would mean for ever. Some states have none.
        $ttl = (float) max(1, $limiterState->getExpirationTime() ?? self::LONGEST);
        if (!supercharger_store_set($this->key($limiterState->getId()), $limiterState, $ttl, keep: true)) {
            throw new \RuntimeException('The store has no room for the state of one more limiter; store.max_memory or store.max_entries allow more.');
        }
    }

    public function fetch(string $limiterStateId): ?LimiterStateInterface
    {
        $state = supercharger_store_get($this->key($limiterStateId));

        return $state instanceof LimiterStateInterface ? $state : null;
    }

    public function delete(string $limiterStateId): void
    {
        supercharger_store_delete($this->key($limiterStateId));
    }

    private function key(string $id): string
    {
        // What is limited may be in the hands of clients, of any length.
        return $this->keys->key(hash('xxh128', $id));
    }
}
