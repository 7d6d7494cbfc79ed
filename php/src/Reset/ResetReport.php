<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/** How a run of the resetters went. */
final class ResetReport
{
    /** Resetters that have run, those that have failed among them. */
    public private(set) int $resetCount = 0;

    public private(set) float $durationMs = 0.0;

    /** @var array<string, \Throwable> by the name of the resetter */
    public private(set) array $failures = [];

    /** @var array<string, float> milliseconds by the name of the resetter */
    public private(set) array $times = [];

    public int $errorCount {
        get => \count($this->failures);
    }

    /** @var list<string> `Class: message` of each failure */
    public array $errors {
        get => array_values(array_map(static fn (\Throwable $e) => $e::class.': '.$e->getMessage(), $this->failures));
    }

    /**
     * Runs one resetter; what it throws is noted and goes no further.
     *
     * @param callable(): mixed $resetter
     */
    public function run(string $name, callable $resetter): void
    {
        $begun = hrtime(true);
        try {
            $resetter();
        } catch (\Throwable $e) {
            $this->failures[$name] = $e;
        }
        ++$this->resetCount;
        $this->times[$name] = (hrtime(true) - $begun) / 1e6;
    }

    /** Notes a failure of something that {@see run()} has not run. */
    public function fail(string $name, \Throwable $failure): void
    {
        $this->failures[$name] ??= $failure;
    }

    public function took(float $milliseconds): void
    {
        $this->durationMs = $milliseconds;
    }

    /** @return array{resetCount: int, errorCount: int, durationMs: float, errors: list<string>} */
    public function toArray(): array
    {
        return [
            'resetCount' => $this->resetCount,
            'errorCount' => $this->errorCount,
            'durationMs' => round($this->durationMs, 6),
            'errors' => $this->errors,
        ];
    }
}
