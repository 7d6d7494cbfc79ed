<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Store;

use PHPUnit\Framework\Attributes\CoversClass;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Store\CacheAdapter;
use Supercharger\Runtime\Store\ExactLimiterFactory;
use Supercharger\Runtime\Store\LockStore;
use Supercharger\Runtime\Store\Part;
use Supercharger\Runtime\Store\Scope;
use Supercharger\Runtime\Store\StorePass;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\Lock\LockFactory;
use Symfony\Component\RateLimiter\RateLimiterFactory;

#[CoversClass(Part::class)]
#[CoversClass(Scope::class)]
#[CoversClass(StorePass::class)]
final class WiringTest extends TestCase
{
    public function testACommandHasAStoreOfItsOwn(): void
    {
        self::assertSame(Scope::Process, Scope::current());
    }

    public function testSymfonysOwnSettingsNameTheStore(): void
    {
        $limiter = ['policy' => 'fixed_window', 'limit' => 1, 'interval' => '1 hour', 'lock_factory' => null, 'storage_service' => StorePass::STORAGE];
        $kernel = new Compiled(
            framework: [
                'cache' => ['app' => 'cache.adapter.supercharger'],
                'lock' => '%env(TEST_LOCK_DSN)%',
                'rate_limiter' => ['api' => $limiter, 'free' => ['policy' => 'no_limit'] + $limiter],
            ],
            change: static function (ContainerBuilder $container): void {
                foreach (['cache.app', 'lock.factory', 'limiter.api', 'supercharger.limiter.api', 'limiter.free'] as $id) {
                    $container->setAlias("test.$id", $id)->setPublic(true);
                }
                $container->register('test.autowired', Wanting::class)->setAutowired(true)->setPublic(true)
                    ->setArgument('$other', new Reference('supercharger.limiter.api'));
            },
        );
        $_SERVER['TEST_LOCK_DSN'] = 'supercharger://?ttl=5';
        $kernel->boot();
        $container = $kernel->getContainer();
        self::assertInstanceOf(CacheAdapter::class, $container->get('test.cache.app'));
        $locks = $container->get('test.lock.factory');
        self::assertInstanceOf(LockFactory::class, $locks);
        self::assertInstanceOf(LockStore::class, (new \ReflectionProperty($locks, 'store'))->getValue($locks));
        $stock = $container->get('test.limiter.api');
        self::assertInstanceOf(RateLimiterFactory::class, $stock);
        self::assertInstanceOf(LockFactory::class, (new \ReflectionProperty($stock, 'lockFactory'))->getValue($stock), 'it has a lock');
        $wanting = $container->get('test.autowired');
        self::assertInstanceOf(Wanting::class, $wanting);
        self::assertSame($container->get('test.supercharger.limiter.api'), $wanting->apiLimiter);
        self::assertFalse($container->has('supercharger.limiter.free'));
    }

    public function testTheNamespaceIsThatOfTheSettings(): void
    {
        $limiter = ['policy' => 'fixed_window', 'limit' => 1, 'interval' => '1 hour', 'lock_factory' => null, 'storage_service' => StorePass::STORAGE];
        $change = static function (ContainerBuilder $container): void {
            foreach (['lock.factory', StorePass::LOCKS, StorePass::STORAGE, 'supercharger.limiter.api'] as $id) {
                $container->setAlias("test.$id", $id)->setPublic(true);
            }
        };
        $kernel = Compiled::booted(['store' => ['namespace' => 'shop']], $change, [], ['lock' => 'supercharger://', 'rate_limiter' => ['api' => $limiter]]);
        try {
            $property = static fn (object $of, string $name): mixed => (new \ReflectionProperty($of, $name))->getValue($of);
            $key = static fn (object $of): string => $property($of, 'keys')->key('x');
            $container = $kernel->getContainer();
            self::assertSame('symfony/shop:x', $key($property($container->get('test.lock.factory'), 'store')));
            self::assertSame('symfony/shop:x', $key($property($container->get('test.'.StorePass::LOCKS), 'store')));
            self::assertSame('limiter/shop:x', $key($container->get('test.'.StorePass::STORAGE)));
            self::assertSame('shop', $property($container->get('test.supercharger.limiter.api'), 'namespace'));
        } finally {
            $kernel->remove();
        }
        $this->expectException(\Symfony\Component\Config\Definition\Exception\InvalidConfigurationException::class);
        Compiled::bundleAlone(['store' => ['namespace' => 'a b']]);
    }
}

final readonly class Wanting
{
    public function __construct(public ExactLimiterFactory $apiLimiter, public ExactLimiterFactory $other)
    {
    }
}
