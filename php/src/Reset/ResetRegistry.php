<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/** Runs the resetters and tells the server about it. */
final class ResetRegistry implements ResetRegistryInterface
{
    private ?ResetReport $last = null;

    /**
     * @param iterable<string, object> $resetters by name, highest priority first; those of the application that nobody has
     *                                            used yet are left out
     * @param array<string, string>    $methods   by name; `reset` if there is none
     */
    public function __construct(
        private readonly iterable $resetters,
        private readonly array $methods = [],
        private readonly bool $enabled = true,
        private readonly ?Lifecycle $lifecycle = null,
    ) {
    }

    public function resetAll(): ResetReport
    {
        $report = new ResetReport();
        if ($this->enabled) {
            $begun = hrtime(true);
            try {
                foreach ($this->resetters as $name => $resetter) {
                    $this->runOne($report, $name, $resetter);
                }
            } catch (\Throwable $e) {
                // A resetter that cannot even be made, and takes the rest of the list with it.
                $report->fail(self::class, $e);
            }
            $report->took((hrtime(true) - $begun) / 1e6);
        }

        return $this->last = $report;
    }

    /** For the loop: what the server is to know of a run. */
    public function resetAndReport(): void
    {
        $report = $this->resetAll();
        if (\function_exists('supercharger_reset_report')) {
            supercharger_reset_report($report->resetCount, $report->failures);
        } elseif ([] !== $report->failures) {
            throw new ResetFailed($report);
        }
        if (\function_exists('supercharger_worker') && null !== $limit = $this->lifecycle?->reached(supercharger_worker(...))) {
            supercharger_recycle("worker.lifecycle.$limit");
        }
    }

    /** The report of the last run, if there was one. */
    public function last(): ?ResetReport
    {
        return $this->last;
    }

    private function runOne(ResetReport $report, string $name, object $resetter): void
    {
        if ($resetter instanceof CompositeResetter) {
            try {
                $resetter->resetAllInto($report);
            } catch (\Throwable $e) {
                $report->fail($name, $e);
            }

            return;
        }
        if (LazyObjects::isUntouched($resetter)) {
            return;
        }
        $method = $this->methods[$name] ?? 'reset';
        $report->run($name, static fn () => $resetter->{$method}());
    }
}
