<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

use Psr\Cache\CacheItemPoolInterface;

/** Writes to a cache pool, reads that back and deletes it. */
final readonly class CacheCheck implements CheckInterface
{
    /** Seconds after which an entry goes by itself that nobody has deleted. */
    private const int LIFETIME = 60;

    public function __construct(private CacheItemPoolInterface $pool)
    {
    }

    public function check(): ?string
    {
        // A key of its own each time: several servers may share the pool.
        $key = 'runtime_supercharger.check.'.bin2hex(random_bytes(8));
        $value = bin2hex(random_bytes(8));
        if (!$this->pool->save($this->pool->getItem($key)->set($value)->expiresAfter(self::LIFETIME))) {
            throw new \RuntimeException('The pool does not keep what is written to it.');
        }
        $read = $this->pool->getItem($key)->get();
        $this->pool->deleteItem($key);
        if ($read !== $value) {
            throw new \RuntimeException('The pool does not give back what was written to it.');
        }

        return null;
    }
}
