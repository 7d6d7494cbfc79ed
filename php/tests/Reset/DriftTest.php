<?php

declare(strict_types=1);

/* The server's function, in front of the real one. What the server makes of it is shown by tests/it. */

namespace Supercharger\Runtime\Reset {
    use Supercharger\Runtime\Tests\Reset\DriftTest;

    function supercharger_drift(string $kind, string $key, string $detail = '', bool $put_back = false): void
    {
        DriftTest::$told[] = [$kind, $key, $put_back];
    }
}

namespace Supercharger\Runtime\Tests\Reset {
    use Doctrine\DBAL\Configuration;
    use Doctrine\DBAL\Connection;
    use Doctrine\DBAL\DriverManager;
    use PHPUnit\Framework\Attributes\DataProvider;
    use PHPUnit\Framework\TestCase;
    use Supercharger\Runtime\Reset\RequestStackResetter;
    use Supercharger\Runtime\Reset\ResetRegistry;
    use Supercharger\Runtime\Reset\ResetterPass;
    use Supercharger\Runtime\Reset\BootStateListener;
    use Supercharger\Runtime\Reset\RouterParameters;
    use Supercharger\Runtime\Reset\TwigGlobals;
    use Supercharger\Runtime\Tests\Compiled;
    use Supercharger\Runtime\Warmup\TwigWarmer;
    use Symfony\Component\DependencyInjection\ContainerBuilder;
    use Symfony\Component\DependencyInjection\Reference;
    use Symfony\Component\HttpFoundation\Request;
    use Symfony\Component\HttpFoundation\RequestStack;
    use Symfony\Component\HttpKernel\Log\Logger;
    use Symfony\Component\Routing\RequestContext;
    use Twig\Environment;
    use Twig\Extension\AbstractExtension;
    use Twig\Loader\ArrayLoader;

    /** What resetters put back, they tell; what they find in order, they do not. */
    final class DriftTest extends TestCase
    {
        /** @var list<array{string, string, bool}> */
        public static array $told = [];

        protected function setUp(): void
        {
            self::$told = [];
        }

        #[DataProvider('transactions')]
        public function testAnOpenTransaction(string $driver, ?string $sql): void
        {
            $container = Compiled::bundleAlone(change: static function (ContainerBuilder $container) use ($driver): void {
                $container->register('orders', Connection::class)->setPublic(true)->setFactory([DriverManager::class, 'getConnection'])
                    ->setArguments([['driver' => $driver, 'memory' => true]]);
            });
            $connection = $container->get('orders');
            self::assertInstanceOf(Connection::class, $connection);
            $reset = static function () use ($container): void {
                $registry = $container->get(ResetterPass::REGISTRY);
                self::assertInstanceOf(ResetRegistry::class, $registry);
                self::assertSame([], $registry->resetAll()->errors);
            };
            $connection->transactional(static fn () => $connection->executeStatement('CREATE TABLE item (name TEXT)'));
            $reset();
            self::assertSame([], self::$told, 'one that was committed');
            null === $sql ? $connection->beginTransaction() : $connection->executeStatement($sql);
            $reset();
            self::assertSame([['transaction', 'orders', false]], self::$told);
            $reset();
            self::assertCount(1, self::$told);
        }

        /** @return iterable<array{string, ?string}> */
        public static function transactions(): iterable
        {
            yield 'by Doctrine' => ['pdo_sqlite', null];
            yield 'by SQL' => ['pdo_sqlite', 'BEGIN'];
            yield 'by SQL, with SQLite3' => ['sqlite3', 'BEGIN'];
        }

        public function testWithoutAutoCommitOneIsAlwaysOpen(): void
        {
            $container = Compiled::bundleAlone(change: static function (ContainerBuilder $container): void {
                $container->register('configuration', Configuration::class)->addMethodCall('setAutoCommit', [false]);
                $container->register('orders', Connection::class)->setPublic(true)->setFactory([DriverManager::class, 'getConnection'])
                    ->setArguments([['driver' => 'pdo_sqlite', 'memory' => true], new Reference('configuration')]);
            });
            $connection = $container->get('orders');
            $registry = $container->get(ResetterPass::REGISTRY);
            self::assertInstanceOf(Connection::class, $connection);
            self::assertInstanceOf(ResetRegistry::class, $registry);
            $connection->fetchOne('SELECT 1');
            $registry->resetAll();
            self::assertSame([], self::$told);
            $connection->beginTransaction();
            $registry->resetAll();
            self::assertSame([['transaction', 'orders', false]], self::$told);
        }

        public function testARequestThatWasPushed(): void
        {
            $stack = new RequestStack();
            $resetter = new RequestStackResetter($stack);
            $resetter->reset();
            self::assertSame([], self::$told);
            $stack->push(new Request());
            $resetter->reset();
            self::assertSame([['request_stack', 'request_stack', true]], self::$told);
        }

        public function testParametersOfTheRouter(): void
        {
            $context = new RequestContext();
            $context->setParameters(['_locale' => 'en', 'tenant' => 'nobody']);
            $resetter = new RouterParameters();
            $resetter->reset();
            $resetter->configure($context);
            $context->setParameter('_locale', 'fr');
            $resetter->reset();
            self::assertSame('en', $context->getParameter('_locale'));
            self::assertSame([], self::$told, 'that is set by Symfony');
            $context->setParameter('tenant', 'somebody')->setParameter('shop', 'his');
            $resetter->reset();
            self::assertSame(['_locale' => 'en', 'tenant' => 'nobody'], $context->getParameters());
            self::assertSame([['router_parameter', 'tenant', true], ['router_parameter', 'shop', true]], self::$told);
        }

        /** What Kernel::boot() or a bundle sets belongs to the worker: no request would set it again. */
        public function testWhatTheBootHasSetStays(): void
        {
            $context = new RequestContext();
            $twig = new Environment(new ArrayLoader(['page' => '{{ site|default("none") }} {{ user|default("nobody") }}']));
            [$router, $globals] = [new RouterParameters(), new TwigGlobals()];
            $router->configure($context);
            $globals->configure($twig);
            $states = [$router, $globals, new RouterParameters(), new TwigGlobals()];
            // A warmer has used a template before somebody else sets a global that it knows.
            $twig->addGlobal('site', 'of the configuration');
            $twig->render('page');
            $twig->addGlobal('site', 'of the boot');
            $context->setParameter('tenant', 'of the boot');
            $listener = new BootStateListener($states);
            foreach (['first', 'second', 'third'] as $request) {
                $listener->onRequest();
                self::assertSame('of the boot', $context->getParameter('tenant'), $request);
                self::assertSame('of the boot nobody', $twig->render('page'), $request);
                $context->setParameter('tenant', $request);
                $twig->addGlobal('site', $request);
                $router->reset();
                $globals->reset();
            }
        }

        public function testGlobalsOfTwig(): void
        {
            $twig = new Environment(new ArrayLoader(['page' => '{{ site }}']));
            $twig->addGlobal('site', 'configured');
            $globals = new TwigGlobals();
            $globals->configure($twig);
            $twig->render('page');
            $globals->reset();
            self::assertSame([], self::$told);
            $twig->addGlobal('user', 'of a request');
            $twig->render('page');
            $twig->addGlobal('site', 'of a request');
            $globals->reset();
            self::assertEqualsCanonicalizing([['twig_global', 'user', true], ['twig_global', 'site', true]], self::$told);
            self::assertSame('configured', $twig->render('page'));
        }

        /** In a process that begins with each request nobody has used a template before; in a worker somebody always has. */
        public function testEachRequestMayAddToTwigWhatIsNew(): void
        {
            $twig = new Environment(new ArrayLoader(['page' => '{{ user|default("nobody") }}', 'all' => '{% include "page" %}']));
            $globals = new TwigGlobals();
            $globals->configure($twig);
            (new TwigWarmer($twig))->warm();
            foreach (['first', 'second'] as $user) {
                self::assertSame('nobody', $twig->load('all')->render());
                $globals->reset();
                $twig->addGlobal('user', $user);
                self::assertSame($user, $twig->render('all'));
                self::assertSame($user, $twig->getGlobals()['user'], 'also while it is in use');
                $globals->reset();
            }
            $twig->addExtension(new class extends AbstractExtension {
            });
            self::assertSame('nobody', $twig->render('all'));
        }

        public function testTheRecordsThatSymfonysLoggerKeeps(): void
        {
            $container = Compiled::bundleAlone(change: static function (ContainerBuilder $container): void {
                $container->register('logger', Logger::class)->setPublic(true)->setArguments(['debug', '/dev/null', null, new Reference('stack'), true]);
                $container->register('stack', RequestStack::class);
            });
            $logger = $container->get('logger');
            self::assertInstanceOf(Logger::class, $logger);
            $logger->enableDebug();
            $logger->error('of a request');
            self::assertSame(1, $logger->countErrors());
            $registry = $container->get(ResetterPass::REGISTRY);
            self::assertInstanceOf(ResetRegistry::class, $registry);
            self::assertSame([], $registry->resetAll()->errors);
            self::assertSame([[], 0], [$logger->getLogs(), $logger->countErrors()]);
        }
    }
}
