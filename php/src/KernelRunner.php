<?php

declare(strict_types=1);

namespace Supercharger\Runtime;

use ProxyManager\Proxy\LazyLoadingInterface;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\HttpCache\HttpCache;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\HttpKernel\KernelInterface;
use Symfony\Component\HttpKernel\TerminableInterface;
use Symfony\Component\Runtime\RunnerInterface;
use Symfony\Component\VarExporter\LazyObjectInterface;

/**
 * Hosts one booted kernel and serves requests with it until the server ends the loop.
 *
 * The client waits for handle() and the response only. terminate() comes after it has been answered, and then, at the boundary
 * and in the hands of the engine, the reset: by the registry of the bundle if the application has it, else as Symfony does it.
 *
 * The server carries this class, so it needs no other one of the package.
 */
final class KernelRunner implements RunnerInterface
{
    /** Service of the bundle that takes care of the reset. */
    private const string REGISTRY = 'runtime_supercharger.reset_registry';

    /** An idle worker collects its garbage by itself; one that is never idle looks this often whether it should. */
    private const int REQUESTS_PER_LOOK = 100;

    /** Half of what has PHP collect in the middle of a request. */
    private const int ROOTS_TO_COLLECT = 5000;

    private ?Request $request = null;
    private ?Response $response = null;
    private ?bool $handlesItself = null;

    /** Whether each request gets a kernel of its own: a variable of Symfony's, for applications that cannot be reset. */
    private readonly bool $clonesKernel;

    /** @var array<string, mixed> what Dotenv and the runtime added to $_SERVER while booting */
    private readonly array $bootServer;

    /** @param array<string, mixed> $server $_SERVER as it is after boot */
    public function __construct(private HttpKernelInterface $kernel, array $server)
    {
        $this->clonesKernel = filter_var($server['FRANKENPHP_RESET_KERNEL'] ?? false, \FILTER_VALIDATE_BOOL);
        $server['APP_RUNTIME_MODE'] ??= $this->clonesKernel ? 'web=1&worker=2' : 'web=1&worker=1';
        // The environment proper is in every request's $_SERVER already.
        $this->bootServer = array_diff_key($server, getenv(), ['argv' => 1, 'argc' => 1, 'APP_RUNTIME' => 1, 'FRANKENPHP_WORKER' => 1, 'FRANKENPHP_LOOP_MAX' => 1]);
    }

    public function run(): int
    {
        $_SERVER += $this->bootServer;
        $this->boot();
        if ($this->clonesKernel) {
            supercharger_on_reset($this->renew(...), 'kernel');
        }
        $handler = $this->serve(...);
        for ($count = 1; supercharger_handle_request($handler); ++$count) {
            $this->finish();
            if (0 === $count % self::REQUESTS_PER_LOOK && gc_status()['roots'] >= self::ROOTS_TO_COLLECT) {
                gc_collect_cycles();
            }
        }

        return 0;
    }

    /** Before a request comes, not in it. */
    private function boot(): void
    {
        $kernel = $this->innerKernel();
        if (null === $kernel) {
            return;
        }
        $kernel->boot();
        if (!$kernel->getContainer()->has(self::REGISTRY)) {
            supercharger_on_reset($this->reset(...), 'services_resetter');
        }
    }

    private function serve(): void
    {
        $_SERVER += $this->bootServer;
        $this->request = Request::createFromGlobals();
        $this->response = $this->kernel->handle($this->request);
        $this->response->send();
    }

    private function finish(): void
    {
        [$request, $response] = [$this->request, $this->response];
        $this->request = $this->response = null;
        if (null !== $request && null !== $response && $this->kernel instanceof TerminableInterface) {
            try {
                $this->kernel->terminate($request, $response);
            } catch (\Throwable $e) {
                self::log('Uncaught exception after the response (kernel.terminate)', $e);
            }
        }
    }

    /**
     * The last of the resetters, so that the kernel that has served is reset before it goes: its open transactions, what it has not
     * written yet. Services refer to each other, so it takes a collection for its connections to be closed.
     */
    private function renew(): void
    {
        $kernel = clone $this->kernel;
        if ($kernel instanceof HttpCache) {
            // A copy of the cache would stand before the same kernel.
            $inner = clone $kernel->getKernel();
            for ($class = new \ReflectionClass($kernel); false !== $class; $class = $class->getParentClass()) {
                if ($class->hasProperty('kernel')) {
                    $class->getProperty('kernel')->setValue($kernel, $inner);
                }
            }
        }
        $this->kernel = $kernel;
        $this->boot();
        gc_collect_cycles();
    }

    /**
     * Kernel::boot() resets the services if a request was handled since the last call. Symfony itself does that when the
     * next request has already arrived; here nobody waits. A kernel with a handle() of its own may never tell boot() that
     * there was a request; then the resetter is called directly.
     */
    private function reset(): void
    {
        $kernel = $this->innerKernel();
        if (null === $kernel) {
            return;
        }
        try {
            $kernel->boot();
            if ($this->handlesItself ??= !str_starts_with((new \ReflectionMethod($kernel, 'handle'))->class, 'Symfony\\Component\\')) {
                self::servicesResetter($kernel)?->reset();
            }
        } catch (\Throwable $e) {
            $this->resetEach($kernel, $e);
        }
    }

    /**
     * One service has failed and may have kept others from being reset (Symfony 6.4): each by itself, then, also those that have been
     * reset already, since nobody knows which. Who has failed is told by name; the worker is replaced all the same.
     */
    private function resetEach(KernelInterface $kernel, \Throwable $failure): void
    {
        $resetter = self::servicesResetter($kernel);
        $services = self::property($resetter, 'resettableServices');
        $methods = self::property($resetter, 'resetMethods');
        if (!is_iterable($services) || !\is_array($methods)) {
            throw $failure;
        }
        $failures = [];
        $count = 0;
        foreach ($services as $id => $service) {
            if (self::isUntouched($service)) {
                continue;
            }
            ++$count;
            foreach ((array) ($methods[$id] ?? []) as $method) {
                if (str_starts_with($method, '?') && !method_exists($service, $method = substr($method, 1))) {
                    continue;
                }
                try {
                    $service->{$method}();
                } catch (\Throwable $e) {
                    $failures[$id] ??= $e;
                }
            }
        }
        supercharger_reset_report($count, $failures ?: ['services_resetter' => $failure]);
    }

    private function innerKernel(): ?KernelInterface
    {
        $kernel = $this->kernel instanceof HttpCache ? $this->kernel->getKernel() : $this->kernel;

        return $kernel instanceof KernelInterface ? $kernel : null;
    }

    private static function servicesResetter(KernelInterface $kernel): ?object
    {
        $container = $kernel->getContainer();

        return $container->has('services_resetter') ? $container->get('services_resetter') : null;
    }

    /** A private property of Symfony's, in whichever class of the series it is; null if there is none. */
    private static function property(?object $of, string $name): mixed
    {
        for ($class = null === $of ? false : new \ReflectionClass($of); false !== $class; $class = $class->getParentClass()) {
            if ($class->hasProperty($name)) {
                return $class->getProperty($name)->getValue($of);
            }
        }

        return null;
    }

    /** A lazy service that nobody has used: to call it would make it. */
    private static function isUntouched(object $service): bool
    {
        return ($service instanceof LazyObjectInterface && !$service->isLazyObjectInitialized(true))
            || ($service instanceof LazyLoadingInterface && !$service->isProxyInitialized())
            || (new \ReflectionClass($service))->isUninitializedLazyObject($service);
    }

    private static function log(string $message, \Throwable $e): void
    {
        supercharger_log($message, 8, [
            'exception' => $e::class,
            'message' => $e->getMessage(),
            'file' => $e->getFile(),
            'line' => $e->getLine(),
        ]);
    }
}
