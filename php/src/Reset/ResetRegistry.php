<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/** Runs the resetters and tells the server about it. */
final class ResetRegistry implements ResetRegistryInterface
{
    private ?ResetReport $last = null;

    /**
     * @param array<string, object> $resetters by name, highest priority first; a closure makes it when its turn has come, or
     *                                         returns null if there is nothing to reset
     * @param array<string, string> $methods   by name; `reset` if there is none
     */
    public function __construct(
        private readonly array $resetters,
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
            foreach ($this->resetters as $name => $resetter) {
                try {
                    $this->runOne($report, $name, $resetter instanceof \Closure ? $resetter() : $resetter);
                } catch (\Throwable $e) {
                    // It cannot even be made, or it stands for several and has not caught what one of them threw.
                    $report->fail($name, $e);
                }
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

    private function runOne(ResetReport $report, string $name, mixed $resetter): void
    {
        if ($resetter instanceof CompositeResetter) {
            $resetter->resetAllInto($report);

            return;
        }
        if (!\is_object($resetter) || LazyObjects::isUntouched($resetter)) {
            return;
        }
        $method = $this->methods[$name] ?? 'reset';
        $report->run($name, static fn () => $resetter->{$method}());
    }
}
