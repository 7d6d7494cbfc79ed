<?php

declare(strict_types=1);

namespace Symfony\Component\DependencyInjection\Loader\Configurator;

use Supercharger\Runtime\Store\CacheAdapter;
use Supercharger\Runtime\Store\LimiterStorage;
use Supercharger\Runtime\Store\LockStore;
use Supercharger\Runtime\Store\StorePass;
use Symfony\Component\Cache\Adapter\AbstractAdapter;
use Symfony\Component\Lock\LockFactory;
use Symfony\Component\RateLimiter\Storage\StorageInterface;

return static function (ContainerConfigurator $container): void {
    $services = $container->services();
    if (class_exists(AbstractAdapter::class)) {
        // `framework.cache.app: cache.adapter.supercharger`, or as the adapter of a pool.
        $services->set('cache.adapter.supercharger', CacheAdapter::class)
            ->abstract()
            // Namespace and lifetime are the pool's.
            ->args(['', 0, service('cache.default_marshaller')->ignoreOnInvalid()])
            ->call('setLogger', [service('logger')->ignoreOnInvalid()])
            ->tag('cache.pool', ['clearer' => 'cache.default_clearer', 'reset' => 'reset'])
            ->tag('monolog.logger', ['channel' => 'cache']);
    }
    if (class_exists(LockFactory::class)) {
        $services->set('supercharger.lock.store', LockStore::class);
        $services->set(StorePass::LOCKS, LockFactory::class)->args([service('supercharger.lock.store')]);
    }
    if (interface_exists(StorageInterface::class)) {
        $services->set(StorePass::STORAGE, LimiterStorage::class);
    }
};
