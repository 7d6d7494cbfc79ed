<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Reset;

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\ConnectionException;
use Doctrine\DBAL\DriverManager;
use Doctrine\ORM\Configuration;
use Doctrine\ORM\Decorator\EntityManagerDecorator;
use Doctrine\ORM\EntityManager;
use Doctrine\ORM\EntityManagerInterface;
use Doctrine\ORM\Mapping as ORM;
use Doctrine\ORM\Mapping\ClassMetadata;
use Doctrine\ORM\Mapping\Driver\AttributeDriver;
use Doctrine\ORM\Query\Filter\SQLFilter;
use Doctrine\ORM\Query\FilterCollection;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Reset\DoctrineConnections;
use Supercharger\Runtime\Reset\DoctrinePass;
use Supercharger\Runtime\Reset\ResetRegistry;
use Supercharger\Runtime\Reset\ResetReport;
use Supercharger\Runtime\Reset\ResetterPass;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Bridge\Doctrine\ManagerRegistry;
use Symfony\Component\Cache\Adapter\ArrayAdapter;
use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\EventDispatcher\DependencyInjection\RegisterListenersPass;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Event\ExceptionEvent;
use Symfony\Component\HttpKernel\Event\RequestEvent;
use Symfony\Component\HttpKernel\Exception\NotFoundHttpException;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\HttpKernel\KernelEvents;
use Symfony\Contracts\EventDispatcher\EventDispatcherInterface;

/** Real Doctrine on a real database, wired as an application without DoctrineBundle would. */
final class DoctrineTest extends TestCase
{
    private string $file;

    protected function setUp(): void
    {
        $this->file = getcwd().'/var/'.bin2hex(random_bytes(6)).'.db';
        @mkdir(\dirname($this->file), recursive: true);
        $outside = $this->outside();
        $outside->exec('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)');
        $outside->exec("INSERT INTO item VALUES (1, 'old')");
    }

    protected function tearDown(): void
    {
        @unlink($this->file);
    }

    public function testAChangeFromOutsideIsSeen(): void
    {
        $container = $this->container();
        $manager = $this->manager($container);
        self::assertSame('old', $manager->find(Item::class, 1)?->name);
        $this->outside()->exec("UPDATE item SET name = 'new'");
        self::assertSame('old', $manager->find(Item::class, 1)->name, 'the identity map has it: without a reset the test shows nothing');
        self::assertSame([], $this->reset($container)->errors);
        self::assertSame('new', $manager->find(Item::class, 1)->name);
    }

    public function testAnOpenTransactionIsRolledBackHoweverDeep(): void
    {
        $container = $this->container();
        $connection = $this->connection($container);
        $connection->beginTransaction();
        $connection->beginTransaction();
        $connection->executeStatement("UPDATE item SET name = 'half'");
        $this->reset($container);
        self::assertFalse($connection->isTransactionActive());
        self::assertSame('old', $connection->fetchOne('SELECT name FROM item'));
        $connection->executeStatement("UPDATE item SET name = 'done'");
        self::assertSame('done', $this->outside()->query('SELECT name FROM item')->fetchColumn(), 'nothing of it waits for a commit');
    }

    public function testATransactionBehindDoctrinesBackIsRolledBack(): void
    {
        $container = $this->container();
        $connection = $this->connection($container);
        $native = $connection->getNativeConnection();
        self::assertInstanceOf(\PDO::class, $native);
        $native->beginTransaction();
        $native->exec("UPDATE item SET name = 'half'");
        $this->reset($container);
        self::assertFalse($native->inTransaction());
        self::assertSame('old', $connection->fetchOne('SELECT name FROM item'));
    }

    public function testWithoutAutoCommitTheTransactionIsRolledBackAndAnotherBegins(): void
    {
        $container = $this->container(configuration: 'withoutAutoCommit');
        $connection = $this->connection($container);
        $connection->executeStatement("UPDATE item SET name = 'half'");
        $connection->beginTransaction();
        self::assertSame(2, $connection->getTransactionNestingLevel());
        // A reset that never ends is ended here.
        pcntl_async_signals(true);
        $before = pcntl_signal_get_handler(\SIGALRM);
        pcntl_signal(\SIGALRM, static fn () => throw new \LogicException('still rolling back'));
        pcntl_alarm(3);
        try {
            self::assertSame([], $this->reset($container)->errors);
        } finally {
            pcntl_alarm(0);
            pcntl_signal(\SIGALRM, $before);
        }
        self::assertTrue($connection->isConnected());
        self::assertSame(1, $connection->getTransactionNestingLevel(), 'as the next request should find it');
        self::assertSame('old', $connection->fetchOne('SELECT name FROM item'));
    }

    #[DataProvider('drivers')]
    public function testATransactionThatWasBegunWithSqlIsRolledBack(string $driver): void
    {
        $container = $this->container(driver: $driver);
        $connection = $this->connection($container);
        $native = $connection->getNativeConnection();
        $connection->executeStatement('BEGIN IMMEDIATE');
        $connection->executeStatement("UPDATE item SET name = 'half'");
        self::assertSame([], $this->reset($container)->errors);
        self::assertSame('old', $connection->fetchOne('SELECT name FROM item'));
        self::assertSame([], $this->reset($container)->errors, 'none is open');
        self::assertSame($native, $connection->getNativeConnection(), 'the connection stays');
        $connection->executeStatement("UPDATE item SET name = 'done'");
        self::assertSame('done', $this->outside()->query('SELECT name FROM item')->fetchColumn(), 'nothing of it waits for a commit');
    }

    /** @return iterable<list<string>> */
    public static function drivers(): iterable
    {
        yield ['pdo_sqlite'];
        yield ['sqlite3'];
    }

    public function testAClosedManagerIsUsableAgain(): void
    {
        foreach ([true, false] as $lazy) {
            $container = $this->container($lazy);
            $manager = $this->manager($container);
            $manager->persist(new Item(2, 'old'));
            try {
                $manager->flush();
                self::fail('the name is taken');
            } catch (\Doctrine\DBAL\Exception\UniqueConstraintViolationException) {
            }
            self::assertFalse($manager->isOpen());
            self::assertSame([], $this->reset($container)->errors, $lazy ? 'lazy' : 'not lazy');
            self::assertTrue($manager->isOpen());
            self::assertSame('old', $manager->find(Item::class, 1)?->name);
            $manager->persist(new Item(3, $lazy ? 'third' : 'fourth'));
            $manager->flush();
            $manager->remove($manager->find(Item::class, 3) ?? throw new \LogicException());
            $manager->flush();
        }
    }

    public function testADecoratedManagerIsOpenedToo(): void
    {
        $container = $this->container(decorated: true);
        $manager = $this->manager($container);
        self::assertInstanceOf(EntityManagerDecorator::class, $manager);
        $manager->close();
        self::assertSame([], $this->reset($container)->errors);
        self::assertTrue($manager->isOpen());
    }

    public function testFiltersAreThoseThatTheManagerWasMadeWith(): void
    {
        foreach ([true, false] as $lazy) {
            $container = $this->container($lazy, filters: true);
            $filters = $this->manager($container)->getFilters();
            $enabled = static fn (): array => array_map(strval(...), $filters->getEnabledFilters());
            $made = $enabled();
            self::assertSame(['of_all', 'of_one'], array_keys($made));
            self::assertSame("'nobody'", $filters->getFilter('of_one')->getParameter('owner'));
            $this->reset($container);
            self::assertSame($made, $enabled());

            $filters->enable('of_request')->setParameter('owner', 'somebody');
            $filters->getFilter('of_one')->setParameter('owner', 'somebody');
            $filters->suspend('of_all');
            self::assertSame([], $this->reset($container)->errors);
            self::assertEqualsCanonicalizing($made, $enabled());
            self::assertSame("'nobody'", $filters->getFilter('of_one')->getParameter('owner'));

            $filters->disable('of_all');
            $filters->disable('of_one');
            self::assertSame([], $this->reset($container)->errors);
            self::assertEqualsCanonicalizing($made, $enabled());

            $this->manager($container)->close();
            self::assertSame([], $this->reset($container)->errors);
            self::assertEqualsCanonicalizing($made, array_map(strval(...), $this->manager($container)->getFilters()->getEnabledFilters()));
        }
    }

    /** What Kernel::boot() enables belongs to the worker: no request would enable it again. */
    public function testFiltersThatTheBootHasSetStay(): void
    {
        foreach ([true, false] as $lazy) {
            $container = $this->container($lazy, filters: true);
            $dispatcher = $container->get('event_dispatcher');
            self::assertInstanceOf(EventDispatcherInterface::class, $dispatcher);
            $filters = fn (): FilterCollection => $this->manager($container)->getFilters();
            $filters()->enable('of_request')->setParameter('owner', 'everybody');
            $filters()->disable('of_all');
            foreach (['first', 'second', 'third'] as $request) {
                $dispatcher->dispatch(new RequestEvent(self::createStub(HttpKernelInterface::class), new Request(), HttpKernelInterface::MAIN_REQUEST), KernelEvents::REQUEST);
                self::assertSame(['of_one', 'of_request'], array_keys($filters()->getEnabledFilters()), $request);
                self::assertSame("'everybody'", $filters()->getFilter('of_request')->getParameter('owner'), $request);
                $filters()->getFilter('of_request')->setParameter('owner', $request);
                $filters()->enable('of_all');
                'first' === $request ? $this->manager($container)->close() : $filters()->disable('of_request');
                self::assertSame([], $this->reset($container)->errors);
            }
        }
    }

    public static function withFilters(EntityManagerInterface $manager): void
    {
        foreach (['of_all', 'of_one', 'of_request'] as $name) {
            $manager->getConfiguration()->addFilter($name, Nothing::class);
        }
        $manager->getFilters()->enable('of_all');
        $manager->getFilters()->enable('of_one')->setParameter('owner', 'nobody');
    }

    public function testTheConnectionStays(): void
    {
        $container = $this->container();
        $connection = $this->connection($container);
        $native = $connection->getNativeConnection();
        for ($round = 0; $round < 3; ++$round) {
            $this->manager($container)->find(Item::class, 1);
            $this->reset($container);
        }
        self::assertTrue($connection->isConnected());
        self::assertSame($native, $connection->getNativeConnection());
    }

    public function testWhatNobodyHasUsedIsNotMade(): void
    {
        $container = $this->container();
        self::assertSame(0, $this->reset($container)->resetCount);
        self::assertFalse($container->initialized('connection'));
    }

    public function testItCanBeSwitchedOff(): void
    {
        $container = $this->container(config: ['worker' => ['reset' => ['doctrine' => false]]]);
        $connection = $this->connection($container);
        $connection->beginTransaction();
        $this->reset($container);
        self::assertTrue($connection->isTransactionActive());
    }

    public function testADeadConnectionIsGivenUpWhenItIsAsked(): void
    {
        $container = $this->container(config: ['worker' => ['reset' => ['doctrine_ping_second' => 1]]]);
        $connection = $this->connection($container);
        $kernel = self::createStub(HttpKernelInterface::class);
        $health = $container->get(DoctrinePass::CONNECTIONS);
        self::assertInstanceOf(DoctrineConnections::class, $health);
        $main = new RequestEvent($kernel, new Request(), HttpKernelInterface::MAIN_REQUEST);

        $connection->fetchOne('SELECT 1');
        $health->ping();
        self::assertTrue($connection->isConnected(), 'one that lives stays');
        $health->onRequest($main);
        $this->killed($connection);
        $this->reset($container);
        $health->onRequest($main);
        self::assertTrue($connection->isConnected(), 'no pause, no question');
        usleep(1_050_000);
        $health->onRequest(new RequestEvent($kernel, new Request(), HttpKernelInterface::SUB_REQUEST));
        self::assertTrue($connection->isConnected(), 'a part of a request is no pause');
        $health->onRequest($main);
        self::assertFalse($connection->isConnected());
        self::assertSame('old', $connection->fetchOne('SELECT name FROM item'));

        $failed = static fn (\Throwable $e) => $health->onException(new ExceptionEvent($kernel, new Request(), HttpKernelInterface::MAIN_REQUEST, $e));
        $this->killed($connection);
        $failed(new NotFoundHttpException('no such page', new \LogicException()));
        $this->reset($container);
        self::assertTrue($connection->isConnected(), 'a page that is not there says nothing of a database');
        $failed(new \LogicException('around it', 0, new ConnectionException()));
        $failed(new NotFoundHttpException());
        $this->reset($container);
        self::assertFalse($connection->isConnected(), 'a request that has failed in the database makes it suspect');

        $connection->fetchOne('SELECT 1');
        $this->killed($connection);
        $failed(new \PDOException());
        $this->reset($container);
        self::assertFalse($connection->isConnected(), 'also behind Doctrine\'s back');
    }

    public function testATransactionThatCannotBeRolledBackEndsWithItsConnection(): void
    {
        $container = $this->container();
        $connection = $this->connection($container);
        $connection->beginTransaction();
        // Behind Doctrine's back, so that its own ROLLBACK fails.
        $connection->getNativeConnection()->exec('ROLLBACK');
        self::assertSame([], $this->reset($container)->errors);
        self::assertFalse($connection->isTransactionActive());
        self::assertSame('old', $connection->fetchOne('SELECT name FROM item'));
    }

    /** Any statement on it fails from now on, as on a connection that the server has closed. */
    private function killed(Connection $connection): void
    {
        $native = $connection->getNativeConnection();
        self::assertInstanceOf(\PDO::class, $native);
        $property = new \ReflectionProperty(Connection::class, '_conn');
        $property->setValue($connection, new DeadConnection());
    }

    /** @param array<string, mixed> $config */
    private function container(bool $lazy = true, bool $decorated = false, array $config = [], string $driver = 'pdo_sqlite', string $configuration = 'configuration', bool $filters = false): ContainerBuilder
    {
        $file = $this->file;

        return Compiled::bundleAlone($config, static function (ContainerBuilder $container) use ($file, $lazy, $decorated, $driver, $configuration, $filters): void {
            $container->register('connection', Connection::class)
                ->setFactory([DriverManager::class, 'getConnection'])
                ->setArguments([['driver' => $driver, 'path' => $file], new Reference('configuration')])
                ->setPublic(true);
            $container->register('configuration', Configuration::class)->setFactory([self::class, $configuration]);
            $container->register($decorated ? 'inner' : 'manager', EntityManager::class)
                ->setArguments([new Reference('connection'), new Reference('configuration')])
                ->setLazy($lazy)
                ->setConfigurator($filters ? [self::class, 'withFilters'] : null)
                ->setPublic(true);
            if ($filters) {
                $container->register('event_dispatcher', EventDispatcher::class)->setPublic(true);
                $container->addCompilerPass(new RegisterListenersPass(), PassConfig::TYPE_BEFORE_REMOVING);
            }
            if ($decorated) {
                $container->register('manager', Decorated::class)->setArguments([new Reference('inner')])->setPublic(true);
            }
            if ($lazy && !$decorated) {
                $container->register('doctrine', Registry::class)->setPublic(true)
                    ->setArguments(['orm', ['default' => 'connection'], ['default' => 'manager'], 'default', 'default', \stdClass::class])
                    ->addMethodCall('setContainer', [new Reference('service_container')]);
            }
        });
    }

    public static function configuration(): Configuration
    {
        $configuration = new Configuration();
        $configuration->setMetadataDriverImpl(new AttributeDriver([__DIR__]));
        $configuration->setMetadataCache(new ArrayAdapter());
        $configuration->setQueryCache(new ArrayAdapter());
        if (method_exists($configuration, 'enableNativeLazyObjects')) {
            $configuration->enableNativeLazyObjects(true);
        } else {
            $configuration->setProxyDir(getcwd().'/var');
            $configuration->setProxyNamespace('Proxies');
        }

        return $configuration;
    }

    public static function withoutAutoCommit(): Configuration
    {
        $configuration = self::configuration();
        $configuration->setAutoCommit(false);

        return $configuration;
    }

    private function reset(ContainerBuilder $container): ResetReport
    {
        $registry = $container->get(ResetterPass::REGISTRY);
        self::assertInstanceOf(ResetRegistry::class, $registry);

        return $registry->resetAll();
    }

    private function connection(ContainerBuilder $container): Connection
    {
        $connection = $container->get('connection');
        self::assertInstanceOf(Connection::class, $connection);

        return $connection;
    }

    private function manager(ContainerBuilder $container): EntityManagerInterface
    {
        $manager = $container->get('manager');
        self::assertInstanceOf(EntityManagerInterface::class, $manager);

        return $manager;
    }

    private function outside(): \PDO
    {
        return new \PDO('sqlite:'.$this->file);
    }
}

#[ORM\Entity]
#[ORM\Table(name: 'item')]
class Item
{
    public function __construct(
        #[ORM\Id]
        #[ORM\Column]
        public int $id,
        #[ORM\Column]
        public string $name,
    ) {
    }
}

final class Decorated extends EntityManagerDecorator
{
}

final class Registry extends ManagerRegistry
{
    public function setContainer(\Symfony\Component\DependencyInjection\Container $container): void
    {
        $this->container = $container;
    }
}

final class DeadConnection implements \Doctrine\DBAL\Driver\Connection
{
    public function prepare(string $sql): \Doctrine\DBAL\Driver\Statement
    {
        throw new DeadConnectionUsed();
    }

    public function query(string $sql): \Doctrine\DBAL\Driver\Result
    {
        throw new DeadConnectionUsed();
    }

    public function quote(string $value): string
    {
        throw new DeadConnectionUsed();
    }

    public function exec(string $sql): int|string
    {
        throw new DeadConnectionUsed();
    }

    public function lastInsertId(): int|string
    {
        throw new DeadConnectionUsed();
    }

    public function beginTransaction(): void
    {
        throw new DeadConnectionUsed();
    }

    public function commit(): void
    {
        throw new DeadConnectionUsed();
    }

    public function rollBack(): void
    {
        throw new DeadConnectionUsed();
    }

    public function getNativeConnection(): object
    {
        return $this;
    }

    public function getServerVersion(): string
    {
        return '3';
    }
}

final class DeadConnectionUsed extends \Doctrine\DBAL\Driver\AbstractException
{
    public function __construct()
    {
        parent::__construct('server closed the connection unexpectedly');
    }
}

final class Nothing extends SQLFilter
{
    public function addFilterConstraint(ClassMetadata $targetEntity, string $targetTableAlias): string
    {
        return '';
    }
}
