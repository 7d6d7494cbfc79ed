<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset\Services;

use Supercharger\Runtime\Reset\LazyObjects;
use Supercharger\Runtime\Reset\ResetReport;

/**
 * What Symfony's `services_resetter` does, service by service: each is timed, and none keeps another from being reset.
 *
 * @internal one class for each Symfony series uses it, because the type that others expect of the service has changed
 */
trait IsolatedServices
{
    private ?ResetReport $report = null;
    private bool $ran = false;

    /**
     * @param \Traversable<string, object>             $services those that have been used
     * @param array<string, string|list<string>>       $methods  by service; a leading question mark: if it is there
     */
    public function __construct(private readonly \Traversable $services, private readonly array $methods)
    {
    }

    public function reset(): void
    {
        $this->ran = true;
        $report = $this->report ?? new ResetReport();
        foreach ($this->services as $id => $service) {
            if (!LazyObjects::isUntouched($service)) {
                $report->run($id, fn () => $this->resetOne($service, (array) $this->methods[$id]));
            }
        }
        if (null === $this->report && [] !== $report->failures) {
            throw array_values($report->failures)[0];
        }
    }

    /**
     * Has a run note its failures instead of throwing them.
     *
     * @param callable(): mixed $run
     *
     * @return bool whether the services have been reset in it
     */
    public function during(ResetReport $report, callable $run): bool
    {
        [$this->report, $this->ran] = [$report, false];
        try {
            $run();
        } finally {
            $this->report = null;
        }

        return $this->ran;
    }

    /** @param array<string> $methods all are called, also if one throws; then the first that was thrown goes on */
    private function resetOne(object $service, array $methods): void
    {
        $failure = null;
        foreach ($methods as $method) {
            if (str_starts_with($method, '?') && !method_exists($service, $method = substr($method, 1))) {
                continue;
            }
            try {
                $service->{$method}();
            } catch (\Throwable $e) {
                $failure ??= $e;
            }
        }
        if (null !== $failure) {
            throw $failure;
        }
    }
}
