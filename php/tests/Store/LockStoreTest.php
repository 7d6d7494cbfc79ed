<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Store;

use PHPUnit\Framework\Attributes\CoversClass;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Store\LockStore;
use Symfony\Component\Lock\Exception\InvalidArgumentException;
use Symfony\Component\Lock\Exception\InvalidTtlException;
use Symfony\Component\Lock\Exception\LockConflictedException;
use Symfony\Component\Lock\Exception\LockExpiredException;
use Symfony\Component\Lock\Key;
use Symfony\Component\Lock\LockFactory;
use Symfony\Component\Lock\Store\FlockStore;

#[CoversClass(LockStore::class)]
final class LockStoreTest extends TestCase
{
    public function testOneWriterOrSeveralReaders(): void
    {
        $store = new LockStore();
        [$one, $other] = [new Key(__METHOD__), new Key(__METHOD__)];
        self::assertFalse($store->exists($one));
        $store->save($one);
        $store->save($one);
        self::assertSame([true, false], [$store->exists($one), $store->exists($other)]);
        self::assertConflict(static fn () => $store->save($other));
        self::assertConflict(static fn () => $store->saveRead($other));
        self::assertConflict(static fn () => $store->putOffExpiration($other, 10));
        $store->delete($other);
        self::assertTrue($store->exists($one), 'a stranger releases nothing');
        $store->saveRead($one);
        $store->saveRead($other);
        self::assertConflict(static fn () => $store->save($other));
        $store->delete($one);
        $store->save($other);
        $store->delete($other);
        $store->waitAndSave($one);
        $store->delete($one);
        $store->waitAndSaveRead($one);
        $store->delete($one);
        self::assertFalse($store->exists($one));
    }

    public function testALockLapsesUnlessItIsExtended(): void
    {
        $store = new LockStore(0.1);
        $key = new Key(__METHOD__);
        $store->save($key);
        // As Lock::refresh() does.
        $key->resetLifetime();
        $store->putOffExpiration($key, 30);
        usleep(150_000);
        self::assertTrue($store->exists($key));
        $key->resetLifetime();
        $store->putOffExpiration($key, 0.05);
        usleep(100_000);
        self::assertFalse($store->exists($key));
        $next = new Key(__METHOD__);
        $store->save($next);
        try {
            $store->putOffExpiration($key, 10);
            self::fail('somebody else has it');
        } catch (LockConflictedException|LockExpiredException) {
            self::assertTrue($store->exists($next));
        }
    }

    public function testThroughTheFactory(): void
    {
        $locks = new LockFactory(new LockStore());
        $lock = $locks->createLock(str_repeat('long', 1000));
        self::assertTrue($lock->acquire());
        $second = $locks->createLock(str_repeat('long', 1000), 10);
        self::assertFalse($second->acquire());
        $lock->release();
        self::assertTrue($second->acquire(true));
        self::assertTrue($second->isAcquired());
        $second->refresh();
        unset($second);
        self::assertTrue($lock->acquire(), 'what is forgotten is released');
        $lock->release();
        $key = unserialize(serialize(new Key('travels')));
        self::assertInstanceOf(Key::class, $key);
    }

    public function testAProjectHasLocksOfItsOwn(): void
    {
        $stores = [new LockStore(), new LockStore(namespace: 'shop'), LockStore::create('supercharger://', 'blog'), LockStore::create('supercharger://?namespace=wiki', 'blog')];
        $name = __METHOD__;
        $key = new Key($name);
        foreach ($stores as $store) {
            $key = new Key($name);
            $store->save($key);
            self::assertConflict(static fn () => $store->save(new Key($name)));
        }
        self::assertConflict(static fn () => (new LockStore(namespace: 'wiki'))->save(new Key($name)));
        self::assertConflict(static fn () => (new LockStore(namespace: 'blog'))->save(new Key($name)));
        self::assertTrue($stores[3]->exists($key));
        foreach (['a b', 'a:b', str_repeat('a', 65), "a\n"] as $wrong) {
            try {
                new LockStore(namespace: $wrong);
                self::fail($wrong);
            } catch (\InvalidArgumentException $refused) {
                self::assertStringContainsString('namespace', $refused->getMessage());
            }
        }
    }

    public function testAddresses(): void
    {
        self::assertInstanceOf(LockStore::class, LockStore::create('supercharger://'));
        self::assertInstanceOf(LockStore::class, LockStore::create('supercharger://?bound=0&ttl=5'));
        self::assertInstanceOf(FlockStore::class, LockStore::create('flock'));
        foreach (['supercharger://?ttl=x', 'supercharger://?unknown=1', 'supercharger://?namespace[]=a'] as $wrong) {
            try {
                LockStore::create($wrong);
                self::fail($wrong);
            } catch (InvalidArgumentException $refused) {
                self::assertNotSame('', $refused->getMessage());
            }
        }
        $this->expectException(InvalidTtlException::class);
        new LockStore(0.0);
    }

    private static function assertConflict(\Closure $call): void
    {
        $conflict = null;
        try {
            $call();
        } catch (LockConflictedException $conflict) {
        }
        self::assertInstanceOf(LockConflictedException::class, $conflict, 'somebody else has it');
    }
}
