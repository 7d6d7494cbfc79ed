<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests;

require_once __DIR__.'/Loop.php';

use PHPUnit\Framework\Attributes\BackupGlobals;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\KernelRunner;
use Supercharger\Runtime\ResponseRunner;
use Supercharger\Runtime\SymfonyRuntime;
use Symfony\Component\Config\Loader\LoaderInterface;
use Symfony\Component\DependencyInjection\Container;
use Symfony\Component\DependencyInjection\ContainerInterface;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\HttpCache\HttpCache;
use Symfony\Component\HttpKernel\HttpCache\Store;
use Symfony\Component\HttpKernel\Kernel;
use Symfony\Component\HttpKernel\KernelInterface;
use Symfony\Component\HttpKernel\TerminableInterface;

#[BackupGlobals(true)]
final class LoopTest extends TestCase
{
    public function testAKernelIsBootedOnceAndServesUntilTheServerEndsTheLoop(): void
    {
        $kernel = new Served();
        $this->serve($kernel, 3);
        self::assertSame(['boot', 'handle', 'terminate', 'boot', 'handle', 'terminate', 'boot', 'handle', 'terminate', 'boot'], $kernel->log->getArrayCopy(), 'the boot after a request is its reset');
        self::assertSame('web=1&worker=1', $kernel->seen[0]['APP_RUNTIME_MODE']);
        self::assertSame('from .env', $kernel->seen[2]['OF_BOOT']);
        self::assertSame([], Loop::$reports);
    }

    public function testTheRuntimeChoosesTheLoop(): void
    {
        $runtime = new SymfonyRuntime(['project_dir' => getcwd(), 'disable_dotenv' => true, 'error_handler' => false]);
        self::assertInstanceOf(KernelRunner::class, $runtime->getRunner(new Served()));
        self::assertInstanceOf(ResponseRunner::class, $runtime->getRunner(new Response()));
    }

    public function testAResponseIsGivenToEveryRequest(): void
    {
        Loop::with([static fn () => null, static fn () => null]);
        ob_start();
        self::assertSame(0, (new ResponseRunner(new Response('same')))->run());
        self::assertSame('samesame', ob_get_clean());
    }

    public function testAnExceptionAfterTheResponseIsLogged(): void
    {
        $kernel = new Served(terminates: static fn () => throw new \DomainException('too late'));
        $this->serve($kernel, 2);
        self::assertCount(2, Loop::$log);
        self::assertStringContainsString('too late', Loop::$log[0]);
    }

    public function testAKernelBehindTheCacheIsBootedAndReset(): void
    {
        $kernel = new Served();
        $this->serve(new HttpCache($kernel, new Store(getcwd().'/var/http-cache')), 2);
        self::assertSame('boot', $kernel->log[0]);
        self::assertSame('boot', $kernel->log[\count($kernel->log) - 1]);
    }

    public function testAFailureOfOneServiceIsNamedAndTheOthersAreReset(): void
    {
        $kernel = new Served();
        $services = ['good' => new Service(), 'bad' => new Service(new \DomainException('no')), 'last' => new Service()];
        $kernel->container->set('services_resetter', new StockResetter(new \ArrayIterator($services), ['good' => ['reset'], 'bad' => ['reset', '?missing'], 'last' => ['reset']]));
        $this->serve($kernel, 1);
        self::assertCount(1, Loop::$reports);
        [$count, $failures] = Loop::$reports[0];
        self::assertSame(3, $count);
        self::assertSame(['bad'], array_keys($failures));
        self::assertSame(1, $services['last']->resets, 'Symfony 6.4 stops at the first failure');
    }

    public function testAResetterThatNobodyKnowsIsToldAsAWhole(): void
    {
        $kernel = new Served();
        $kernel->container->set('services_resetter', new Service(new \DomainException('all of it')));
        $this->serve($kernel, 1);
        self::assertSame(['services_resetter'], array_keys(Loop::$reports[0][1]));
    }

    public function testTheBundlesRegistryIsNotDoubled(): void
    {
        $kernel = new Served();
        $kernel->container->set('runtime_supercharger.reset_registry', new \stdClass());
        $this->serve($kernel, 2);
        self::assertSame([], Loop::$resetters);
    }

    public function testEachRequestMayHaveAKernelOfItsOwn(): void
    {
        $kernel = new Served();
        Loop::with([static fn () => null, static fn () => null]);
        ob_start();
        (new KernelRunner($kernel, ['FRANKENPHP_RESET_KERNEL' => '1']))->run();
        ob_end_clean();
        self::assertCount(3, array_unique($kernel->objects->getArrayCopy()), 'the first, and one for each request after it');
        self::assertSame('web=1&worker=2', $kernel->seen[0]['APP_RUNTIME_MODE']);
    }

    public function testTheKernelThatHasServedIsResetBeforeAnotherTakesItsPlace(): void
    {
        $kernel = new Renewed();
        Loop::with([static fn () => null, static fn () => null]);
        ob_start();
        (new KernelRunner($kernel, ['FRANKENPHP_RESET_KERNEL' => '1']))->run();
        ob_end_clean();
        self::assertSame([
            'boot 1', 'handle 1', 'reset 1', 'boot 2',
            'handle 2', 'reset 2', 'boot 3', 'gone 2',
        ], $kernel->log->getArrayCopy(), 'what it held is let go of with it, not when much garbage has come together');
        self::assertSame([], Loop::$reports);
    }

    public function testEachRequestMayHaveAKernelOfItsOwnBehindTheCache(): void
    {
        $kernel = new Served();
        Loop::with([static fn () => null, static fn () => null]);
        ob_start();
        (new KernelRunner(new HttpCache($kernel, new Store(getcwd().'/var/http-cache')), ['FRANKENPHP_RESET_KERNEL' => '1']))->run();
        ob_end_clean();
        self::assertCount(3, array_unique($kernel->objects->getArrayCopy()));
    }

    public function testAFailureMakesNoLazyServiceThatNobodyHasUsed(): void
    {
        $kernel = new Served();
        $lazy = (new \ReflectionClass(Service::class))->newLazyGhost(static fn () => throw new \LogicException('it has been made'));
        $services = ['bad' => new Service(new \DomainException('no')), 'lazy' => $lazy];
        $kernel->container->set('services_resetter', new StockResetter(new \ArrayIterator($services), ['bad' => ['reset'], 'lazy' => ['reset']]));
        $this->serve($kernel, 1);
        [$count, $failures] = Loop::$reports[0];
        self::assertSame(['bad'], array_keys($failures));
        self::assertSame(1, $count);
    }

    public function testMuchGarbageIsCollectedByALoopThatIsNeverIdle(): void
    {
        gc_collect_cycles();
        $before = gc_status()['runs'];
        $kernel = new Served(handles: static function (): void {
            for ($i = 0; $i < 60; ++$i) {
                $cycle = new \stdClass();
                $cycle->self = $cycle;
            }
        });
        $this->serve($kernel, 100);
        self::assertGreaterThan($before, gc_status()['runs']);
    }

    private function serve(KernelInterface|HttpCache $kernel, int $requests): void
    {
        Loop::with(array_fill(0, $requests, static fn () => null));
        ob_start();
        try {
            self::assertSame(0, (new KernelRunner($kernel, ['OF_BOOT' => 'from .env', 'APP_RUNTIME' => 'not for requests']))->run());
        } finally {
            ob_end_clean();
        }
    }
}

/** Boots and resets as Symfony's own kernel does, and notes it. */
class Served implements KernelInterface, TerminableInterface
{
    public readonly Container $container;

    /** @var \ArrayObject<int, string> */
    public readonly \ArrayObject $log;

    /** @var \ArrayObject<int, int> */
    public readonly \ArrayObject $objects;

    /** @var \ArrayObject<int, array<mixed>> */
    public readonly \ArrayObject $seen;

    /**
     * @param (\Closure(): mixed)|null $handles
     * @param (\Closure(): mixed)|null $terminates
     */
    public function __construct(private readonly ?\Closure $handles = null, private readonly ?\Closure $terminates = null)
    {
        $this->container = new Container();
        [$this->log, $this->objects, $this->seen] = [new \ArrayObject(), new \ArrayObject(), new \ArrayObject()];
    }

    public function handle(Request $request, int $type = self::MAIN_REQUEST, bool $catch = true): Response
    {
        $this->log[] = 'handle';
        $this->seen[] = $_SERVER;
        ($this->handles ?? static fn () => null)();

        return new Response('served');
    }

    public function terminate(Request $request, Response $response): void
    {
        $this->log[] = 'terminate';
        ($this->terminates ?? static fn () => null)();
    }

    public function boot(): void
    {
        $this->log[] = 'boot';
        $this->objects[] = spl_object_id($this);
    }

    public function getContainer(): ContainerInterface
    {
        return $this->container;
    }

    public function registerBundles(): iterable
    {
        return [];
    }

    public function registerContainerConfiguration(LoaderInterface $loader): void
    {
    }

    public function shutdown(): void
    {
    }

    public function getBundles(): array
    {
        return [];
    }

    public function getBundle(string $name): \Symfony\Component\HttpKernel\Bundle\BundleInterface
    {
        throw new \LogicException();
    }

    public function locateResource(string $name): string
    {
        return '';
    }

    public function getEnvironment(): string
    {
        return 'test';
    }

    public function isDebug(): bool
    {
        return false;
    }

    public function getProjectDir(): string
    {
        return '';
    }

    public function getStartTime(): float
    {
        return 0.0;
    }

    public function getCacheDir(): string
    {
        return '';
    }

    public function getBuildDir(): string
    {
        return '';
    }

    public function getShareDir(): ?string
    {
        return null;
    }

    public function getLogDir(): string
    {
        return '';
    }

    public function getCharset(): string
    {
        return 'UTF-8';
    }
}

/** Each copy has a container of its own, as Symfony's kernel does, and it goes with it. */
final class Renewed extends Served
{
    private int $number = 1;

    private bool $used = false;

    private ?Held $held = null;

    public function __clone(): void
    {
        ++$this->number;
        $this->held = null;
        $this->used = false;
    }

    public function handle(Request $request, int $type = self::MAIN_REQUEST, bool $catch = true): Response
    {
        $this->log[] = "handle $this->number";
        $this->used = true;

        return new Response('served');
    }

    public function terminate(Request $request, Response $response): void
    {
    }

    public function boot(): void
    {
        if (null === $this->held) {
            $this->log[] = "boot $this->number";
            $this->held = new Held($this->log, $this->number);
        } elseif ($this->used) {
            $this->log[] = "reset $this->number";
            $this->used = false;
        }
    }
}

/** In a cycle, as the services of a container are. */
final class Held
{
    private self $self;

    /** @param \ArrayObject<int, string> $log */
    public function __construct(private readonly \ArrayObject $log, private readonly int $number)
    {
        $this->self = $this;
    }

    public function __destruct()
    {
        $this->log[] = "gone $this->number";
    }
}

final class Service
{
    public int $resets = 0;

    public function __construct(private readonly ?\Throwable $thrown = null)
    {
    }

    public function reset(): void
    {
        ++$this->resets;
        if (null !== $this->thrown) {
            throw $this->thrown;
        }
    }
}

/** As Symfony 6.4's, which stops at the first failure. */
final readonly class StockResetter
{
    /**
     * @param iterable<string, object>    $resettableServices
     * @param array<string, list<string>> $resetMethods
     */
    public function __construct(private iterable $resettableServices, private array $resetMethods)
    {
    }

    public function reset(): void
    {
        foreach ($this->resettableServices as $id => $service) {
            foreach ($this->resetMethods[$id] as $method) {
                if (!str_starts_with($method, '?')) {
                    $service->{$method}();
                }
            }
        }
    }
}
