<?php

declare(strict_types=1);

namespace App\Doctrine;

use Doctrine\DBAL\Connection;
use Doctrine\ORM\Configuration;
use Doctrine\ORM\EntityManager;
use Doctrine\ORM\Mapping\Driver\AttributeDriver;
use Doctrine\ORM\Mapping\UnderscoreNamingStrategy;
use Doctrine\ORM\Proxy\ProxyFactory;
use Psr\Cache\CacheItemPoolInterface;

final class EntityManagerFactory
{
    private ?Configuration $configuration = null;

    public function __construct(
        private readonly string $entityFolder,
        private readonly string $proxyFolder,
        private readonly CacheItemPoolInterface $cache,
    ) {
    }

    public function create(Connection $connection): EntityManager
    {
        return new EntityManager($connection, $this->configuration ??= $this->configuration());
    }

    private function configuration(): Configuration
    {
        $configuration = new Configuration();
        $configuration->setMetadataDriverImpl(new AttributeDriver([$this->entityFolder]));
        $configuration->setNamingStrategy(new UnderscoreNamingStrategy());
        $configuration->setMetadataCache($this->cache);
        $configuration->setQueryCache($this->cache);

        // From 3.4 on the ORM leaves lazy loading to PHP itself; before, it writes proxy classes.
        if (method_exists($configuration, 'enableNativeLazyObjects')) {
            $configuration->enableNativeLazyObjects(true);
        } else {
            $configuration->setProxyDir($this->proxyFolder);
            $configuration->setProxyNamespace('Proxies');
            $configuration->setAutoGenerateProxyClasses(ProxyFactory::AUTOGENERATE_FILE_NOT_EXISTS);
        }

        return $configuration;
    }
}
