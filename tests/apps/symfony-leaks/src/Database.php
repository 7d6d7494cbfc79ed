<?php

declare(strict_types=1);

namespace App;

use App\Entity\Account;
use Doctrine\DBAL\Connection;
use Doctrine\DBAL\DriverManager;
use Doctrine\ORM\Configuration;
use Doctrine\ORM\EntityManager;
use Doctrine\ORM\Mapping\Driver\AttributeDriver;
use Doctrine\ORM\Proxy\ProxyFactory;
use Doctrine\ORM\Tools\SchemaTool;
use Symfony\Component\Cache\Adapter\ArrayAdapter;

/** A database in memory, with one row. */
final class Database
{
    public static function connect(): Connection
    {
        return DriverManager::getConnection(['driver' => 'pdo_sqlite', 'memory' => true]);
    }

    public static function manager(Connection $connection): EntityManager
    {
        $configuration = new Configuration();
        $configuration->setMetadataDriverImpl(new AttributeDriver([__DIR__.'/Entity']));
        $configuration->setMetadataCache(new ArrayAdapter());
        // From 3.4 on the ORM leaves lazy loading to PHP itself; before, it writes proxy classes.
        if (method_exists($configuration, 'enableNativeLazyObjects')) {
            $configuration->enableNativeLazyObjects(true);
        } else {
            $configuration->setProxyDir(\dirname(__DIR__).'/var/doctrine');
            $configuration->setProxyNamespace('Proxies');
            $configuration->setAutoGenerateProxyClasses(ProxyFactory::AUTOGENERATE_FILE_NOT_EXISTS);
        }
        $configuration->addFilter('owner', OwnerFilter::class);
        $manager = new EntityManager($connection, $configuration);
        (new SchemaTool($manager))->createSchema([$manager->getClassMetadata(Account::class)]);
        $manager->persist(new Account(1, 'nobody'));
        $manager->flush();
        $manager->clear();

        return $manager;
    }
}
