<?php

declare(strict_types=1);

namespace Supercharger\Runtime;

use Psr\Http\Server\RequestHandlerInterface;
use Supercharger\Runtime\App\Runner;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\Runtime\RunnerInterface;
use Symfony\Component\Runtime\SymfonyRuntime as BaseRuntime;

/**
 * Symfony's own runtime, except that an HTTP kernel, a response, a PSR-15 handler or a function is run as a worker when the server says so.
 *
 * The supercharger binary carries this class and names it in APP_RUNTIME; an application that requires
 * supercharger/runtime uses its own copy, because Composer's autoloader comes first.
 */
final class SymfonyRuntime extends BaseRuntime
{
    public function getRunner(?object $application): RunnerInterface
    {
        if (self::isWorker()) {
            if ($application instanceof HttpKernelInterface) {
                return new KernelRunner($application, $_SERVER);
            }
            if ($application instanceof Response) {
                return new ResponseRunner($application);
            }
            if ($application instanceof \Closure || $application instanceof RequestHandlerInterface) {
                return new Runner($application);
            }
        }

        return parent::getRunner($application);
    }

    private static function isWorker(): bool
    {
        return \function_exists('supercharger_worker') && 'worker' === supercharger_worker()['mode'];
    }
}
