<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

use Symfony\Component\Lock\BlockingSharedLockStoreInterface;
use Symfony\Component\Lock\BlockingStoreInterface;
use Symfony\Component\Lock\Exception\InvalidArgumentException;
use Symfony\Component\Lock\Exception\InvalidTtlException;
use Symfony\Component\Lock\Exception\LockConflictedException;
use Symfony\Component\Lock\Exception\LockStorageException;
use Symfony\Component\Lock\Key;
use Symfony\Component\Lock\PersistingStoreInterface;
use Symfony\Component\Lock\Store\ExpiringStoreTrait;
use Symfony\Component\Lock\Store\StoreFactory;

/**
 * Locks in the store of the server, for all its workers: exclusive or shared, with a time to live, waited for in the server.
 *
 * A bound lock is released when the worker that took it dies of an error, or its process crashes. A worker that is replaced in order, or a
 * request that ends, releases nothing: a lock that was taken without auto-release keeps its time.
 */
final class LockStore implements BlockingStoreInterface, BlockingSharedLockStoreInterface
{
    use ExpiringStoreTrait;

    public const string SCHEME = 'supercharger:';
    private const string KIND = 'symfony';
    /** Resources with longer names are hashed. */
    private const int LONGEST_NAME = 512;
    /** For as long as the request may run. */
    private const float PATIENCE = \INF;

    private readonly KeySpace $keys;

    /**
     * @param float  $initialTtl seconds until a lock lapses that nobody extends
     * @param bool   $bound      released when its worker dies
     * @param string $namespace  whose locks these are, where several projects share the server
     */
    public function __construct(private readonly float $initialTtl = 300.0, private readonly bool $bound = true, string $namespace = '')
    {
        $this->keys = new KeySpace(self::KIND, $namespace);
        if (!($initialTtl > 0.0)) {
            throw new InvalidTtlException(\sprintf('"%s()" expects a strictly positive TTL, got %g.', __METHOD__, $initialTtl));
        }
    }

    /**
     * The store of an address: `supercharger://`, with the options `?bound=0`, `?ttl=60` and `?namespace=shop`; for others Symfony's own factory.
     *
     * @param object|string $connection
     * @param string        $namespace  for an address that names none
     */
    public static function create(#[\SensitiveParameter] object|string $connection, string $namespace = ''): PersistingStoreInterface
    {
        if (!\is_string($connection) || !str_starts_with($connection, self::SCHEME)) {
            return StoreFactory::createStore($connection);
        }
        $query = strpos($connection, '?');
        parse_str(false === $query ? '' : substr($connection, $query + 1), $options);
        if ([] !== $unknown = array_diff(array_keys($options), ['bound', 'namespace', 'ttl'])) {
            throw new InvalidArgumentException(\sprintf('Unknown option "%s" of a lock store; allowed: "bound", "namespace", "ttl".', implode('", "', $unknown)));
        }
        $ttl = $options['ttl'] ?? 300.0;
        if (!is_numeric($ttl)) {
            throw new InvalidArgumentException('The option "ttl" of a lock store must be a number of seconds.');
        }

        $named = $options['namespace'] ?? $namespace;
        if (!\is_string($named)) {
            throw new InvalidArgumentException('The option "namespace" of a lock store must be one name.');
        }

        return new self((float) $ttl, filter_var($options['bound'] ?? '1', \FILTER_VALIDATE_BOOL), $named);
    }

    public function save(Key $key): void
    {
        $this->take($key, false, 0.0);
    }

    public function saveRead(Key $key): void
    {
        $this->take($key, true, 0.0);
    }

    public function waitAndSave(Key $key): void
    {
        $this->take($key, false, self::PATIENCE);
    }

    public function waitAndSaveRead(Key $key): void
    {
        $this->take($key, true, self::PATIENCE);
    }

    public function putOffExpiration(Key $key, float $ttl): void
    {
        if (!($ttl > 0.0)) {
            throw new InvalidTtlException(\sprintf('"%s()" expects a strictly positive TTL, got %g.', __METHOD__, $ttl));
        }
        self::check();
        $key->reduceLifetime($ttl);
        if (!self::ask(fn (): bool => supercharger_lock_extend($this->name($key), $this->token($key), $ttl))) {
            throw new LockConflictedException();
        }
        $this->checkNotExpired($key);
    }

    public function delete(Key $key): void
    {
        self::check();
        self::ask(fn (): bool => supercharger_lock_release($this->name($key), $this->token($key)));
    }

    public function exists(Key $key): bool
    {
        self::check();

        return self::ask(fn (): bool => supercharger_lock_held($this->name($key), $this->token($key)));
    }

    private function take(Key $key, bool $shared, float $wait): void
    {
        self::check();
        if (0.0 === $wait) {
            $key->reduceLifetime($this->initialTtl);
        }
        if (!self::ask(fn (): bool => supercharger_lock_acquire($this->name($key), $this->token($key), $this->initialTtl, $wait, $shared, $this->bound))) {
            throw new LockConflictedException();
        }
        if (0.0 !== $wait) {
            // Only now: waiting is no part of a lock's time.
            $key->reduceLifetime($this->initialTtl);
        }
        $this->checkNotExpired($key);
    }

    /** @param \Closure(): bool $question */
    private static function ask(\Closure $question): bool
    {
        try {
            return $question();
        } catch (\RuntimeException $failure) {
            throw new LockStorageException($failure->getMessage(), 0, $failure);
        }
    }

    private function name(Key $key): string
    {
        $name = (string) $key;

        return $this->keys->key(\strlen($name) > self::LONGEST_NAME ? hash('sha256', $name) : $name);
    }

    private function token(Key $key): string
    {
        if (!$key->hasState(__CLASS__)) {
            $key->setState(__CLASS__, base64_encode(random_bytes(32)));
        }
        $token = $key->getState(__CLASS__);
        \assert(\is_string($token));

        return $token;
    }

    private static function check(): void
    {
        if (!\function_exists('supercharger_lock_acquire')) {
            throw new LockStorageException('Locks of supercharger:// are to be had in a program that supercharger runs: `supercharger php-cli` for commands.');
        }
    }
}
