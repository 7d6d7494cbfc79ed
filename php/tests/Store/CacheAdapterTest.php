<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Store;

use PHPUnit\Framework\Attributes\CoversClass;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Store\CacheAdapter;
use Symfony\Component\Cache\Adapter\TagAwareAdapter;
use Symfony\Component\Cache\CacheItem;
use Symfony\Contracts\Cache\ItemInterface;

#[CoversClass(CacheAdapter::class)]
final class CacheAdapterTest extends TestCase
{
    protected function setUp(): void
    {
        supercharger_store_clear();
    }

    public function testItemsComeBackAndAreOfTheirNamespace(): void
    {
        $pool = new CacheAdapter('one');
        $other = new CacheAdapter('other');
        foreach (['a' => ['deep' => [1, null, 1.5]], 'b' => new \ArrayObject([1]), 'c' => false, 'd' => null, 'e' => "\0\xff"] as $key => $value) {
            self::assertTrue($pool->save($pool->getItem($key)->set($value)));
            self::assertEquals($value, $pool->getItem($key)->get());
            self::assertTrue($pool->getItem($key)->isHit());
            self::assertTrue($pool->hasItem($key));
            self::assertFalse($other->hasItem($key));
        }
        self::assertFalse($pool->getItem('none')->isHit());
        // A pool that another object, another worker that is, has of the same name.
        self::assertFalse((new CacheAdapter('one'))->getItem('c')->get());
        self::assertCount(2, array_filter(iterator_to_array($pool->getItems(['a', 'b', 'none'])), static fn (CacheItem $item): bool => $item->isHit()));
    }

    public function testClearIsForOneNamespaceOrPrefix(): void
    {
        $pool = new CacheAdapter('one');
        $other = new CacheAdapter('other');
        foreach (['x.1', 'x.2', 'y.1'] as $key) {
            $pool->save($pool->getItem($key)->set(1));
            $other->save($other->getItem($key)->set(1));
        }
        supercharger_store_set('of the application', 1);
        self::assertTrue($pool->clear('x.'));
        self::assertSame([false, false, true], [$pool->hasItem('x.1'), $pool->hasItem('x.2'), $pool->hasItem('y.1')]);
        self::assertTrue($pool->clear());
        self::assertFalse($pool->hasItem('y.1'));
        self::assertTrue($other->hasItem('y.1'));
        self::assertSame(1, supercharger_store_get('of the application'));
        self::assertTrue($other->deleteItems(['x.1', 'none']));
        self::assertFalse($other->hasItem('x.1'));
    }

    public function testLifetimes(): void
    {
        $pool = new CacheAdapter('one', 1);
        $pool->save($pool->getItem('default')->set(1));
        $pool->save($pool->getItem('own')->set(1)->expiresAfter(3600));
        $pool->save($pool->getItem('past')->set(1)->expiresAfter(-1));
        self::assertFalse($pool->hasItem('past'));
        self::assertTrue($pool->hasItem('default'));
        usleep(1_100_000);
        self::assertSame([false, true], [$pool->hasItem('default'), $pool->hasItem('own')]);
    }

    public function testValuesThatAreTooLargeAreSaidSo(): void
    {
        $pool = new CacheAdapter('one');
        self::assertFalse($pool->save($pool->getItem('large')->set(random_bytes(2 << 20))));
        self::assertFalse($pool->hasItem('large'));
        self::assertTrue($pool->save($pool->getItem(str_repeat('k', 2000))->set(1)), 'a long key is hashed');
        self::assertTrue($pool->hasItem(str_repeat('k', 2000)));
    }

    public function testTagsAndDeferredItems(): void
    {
        $pool = new TagAwareAdapter(new CacheAdapter('tagged'));
        $made = 0;
        $make = static function (ItemInterface $item) use (&$made): int {
            $item->tag('t');

            return ++$made;
        };
        self::assertSame([1, 1], [$pool->get('a', $make), $pool->get('a', $make)]);
        $pool->invalidateTags(['t']);
        self::assertSame(2, $pool->get('a', $make));
        $plain = new CacheAdapter('deferred');
        self::assertTrue($plain->saveDeferred($plain->getItem('a')->set(1)));
        self::assertTrue($plain->commit());
        self::assertTrue((new CacheAdapter('deferred'))->hasItem('a'));
    }
}
