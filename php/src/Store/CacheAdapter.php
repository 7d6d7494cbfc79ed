<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

use Symfony\Component\Cache\Adapter\AbstractAdapter;
use Symfony\Component\Cache\Marshaller\DefaultMarshaller;
use Symfony\Component\Cache\Marshaller\MarshallerInterface;

/**
 * A cache pool in the store of the server: shared by all workers, survives their replacement and a reload, needs no socket.
 *
 * Items may be dropped to make room, the least recently used ones first. A program that is not run by supercharger (`bin/console` by another
 * php) finds nothing and keeps nothing, and says so by no error: a container can be built and warmed anywhere.
 */
final class CacheAdapter extends AbstractAdapter
{
    /** Keys of pools among the keys of the application. */
    private const string PREFIX = 'cache:';

    private readonly MarshallerInterface $marshaller;

    /** @param int $defaultLifetime seconds; 0: none */
    public function __construct(string $namespace = '', int $defaultLifetime = 0, ?MarshallerInterface $marshaller = null)
    {
        // Longer ones are hashed.
        $this->maxIdLength = 512;
        parent::__construct($namespace, $defaultLifetime);
        $this->marshaller = $marshaller ?? new DefaultMarshaller();
    }

    /** Whether there is a store to keep anything in. */
    public static function isSupported(): bool
    {
        return \function_exists('supercharger_store_get');
    }

    /**
     * @param string[] $ids
     *
     * @return iterable<string, mixed>
     */
    protected function doFetch(array $ids): iterable
    {
        if (!self::isSupported()) {
            return;
        }
        foreach ($ids as $id) {
            $value = supercharger_store_get(self::PREFIX.$id);
            if (\is_string($value)) {
                yield $id => $this->marshaller->unmarshall($value);
            }
        }
    }

    protected function doHave(string $id): bool
    {
        return self::isSupported() && supercharger_store_has(self::PREFIX.$id);
    }

    protected function doClear(string $namespace): bool
    {
        if (self::isSupported()) {
            supercharger_store_clear(self::PREFIX.$namespace);
        }

        return true;
    }

    /** @param string[] $ids */
    protected function doDelete(array $ids): bool
    {
        if (self::isSupported()) {
            foreach ($ids as $id) {
                supercharger_store_delete(self::PREFIX.$id);
            }
        }

        return true;
    }

    /**
     * @param array<string, mixed> $values
     *
     * @return array<int, string>|bool ids of those that are not stored
     */
    protected function doSave(array $values, int $lifetime): array|bool
    {
        $marshalled = $this->marshaller->marshall($values, $failed);
        /** @var list<string> $failed */
        if (!$marshalled || !self::isSupported()) {
            return $failed;
        }
        foreach ($marshalled as $id => $value) {
            if (!supercharger_store_set(self::PREFIX.$id, $value, (float) $lifetime)) {
                $failed[] = (string) $id;
            }
        }

        return $failed;
    }
}
