<?php

declare(strict_types=1);

namespace Supercharger\Runtime;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\HttpCache\HttpCache;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\HttpKernel\KernelInterface;
use Symfony\Component\HttpKernel\TerminableInterface;
use Symfony\Component\Runtime\RunnerInterface;

/**
 * Hosts one booted kernel and serves requests with it until the server ends the loop.
 *
 * The client waits for handle() and the response only. terminate(), the reset of the services and garbage collection
 * come after it has been answered.
 */
final class KernelRunner implements RunnerInterface
{
    /** Cyclic garbage grows slowly; collecting it after each request costs a small application a tenth of its time. */
    private const int REQUESTS_PER_COLLECTION = 100;

    private ?Request $request = null;
    private ?Response $response = null;
    private ?bool $handlesItself = null;

    /** @var array<string, mixed> what Dotenv and the runtime added to $_SERVER while booting */
    private readonly array $bootServer;

    /** @param array<string, mixed> $server $_SERVER as it is after boot */
    public function __construct(private readonly HttpKernelInterface $kernel, array $server)
    {
        // The environment proper is in every request's $_SERVER already.
        $this->bootServer = array_diff_key($server, getenv(), ['argv' => 1, 'argc' => 1, 'APP_RUNTIME' => 1, 'FRANKENPHP_WORKER' => 1, 'FRANKENPHP_LOOP_MAX' => 1]);
    }

    public function run(): int
    {
        if ($this->kernel instanceof KernelInterface) {
            // Before the first request, not in it.
            $this->kernel->boot();
        }
        $handler = $this->serve(...);
        for ($count = 1; supercharger_handle_request($handler); ++$count) {
            if (!$this->finish()) {
                return 1;
            }
            if (0 === $count % self::REQUESTS_PER_COLLECTION) {
                gc_collect_cycles();
            }
        }

        return 0;
    }

    private function serve(): void
    {
        $_SERVER += $this->bootServer;
        $this->request = Request::createFromGlobals();
        $this->response = $this->kernel->handle($this->request);
        $this->response->send();
    }

    /** @return bool false: the state of the services is unknown, this worker must not serve again */
    private function finish(): bool
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
        try {
            $this->reset();
        } catch (\Throwable $e) {
            self::log('Services could not be reset; the worker is replaced', $e);

            return false;
        }

        return true;
    }

    /**
     * Kernel::boot() resets the services if a request was handled since the last call. Symfony itself does that when the
     * next request has already arrived; here nobody waits. A kernel with a handle() of its own may never tell boot() that
     * there was a request; then the resetter is called directly.
     */
    private function reset(): void
    {
        $kernel = $this->kernel instanceof HttpCache ? $this->kernel->getKernel() : $this->kernel;
        if (!$kernel instanceof KernelInterface) {
            return;
        }
        $kernel->boot();
        if ($this->handlesItself ??= !str_starts_with((new \ReflectionMethod($kernel, 'handle'))->class, 'Symfony\\Component\\')) {
            $container = $kernel->getContainer();
            if ($container->has('services_resetter')) {
                $container->get('services_resetter')->reset();
            }
        }
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
