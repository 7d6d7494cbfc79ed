<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Profiler;

use Supercharger\Runtime\Reset\ResetRegistry;
use Symfony\Bundle\FrameworkBundle\DataCollector\AbstractDataCollector;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/** The worker that has served a request, how it was reset before that, and what earlier requests have left in it. */
final class WorkerCollector extends AbstractDataCollector
{
    public function __construct(private readonly ResetRegistry $resets)
    {
    }

    public function collect(Request $request, Response $response, ?\Throwable $exception = null): void
    {
        $report = $this->resets->last();
        $times = $report?->times ?? [];
        arsort($times);
        $this->data = [
            'worker' => \function_exists('supercharger_worker') ? supercharger_worker() : null,
            'drift' => \function_exists('supercharger_drift_found') ? supercharger_drift_found() : ['every' => 0, 'found' => []],
            'reset' => $report?->toArray(),
            'times' => $times,
            'failures' => array_map(static fn (\Throwable $e) => $e::class.': '.$e->getMessage(), $report?->failures ?? []),
        ];
    }

    public function getName(): string
    {
        return 'supercharger';
    }

    public static function getTemplate(): string
    {
        return '@SuperchargerRuntime/worker.html.twig';
    }

    /** @return array<string, mixed>|null null under another server */
    public function getWorker(): ?array
    {
        return $this->data['worker'] ?? null;
    }

    /** After every how many requests the server looks for what they leave behind; 0: never. */
    public function getDriftEvery(): int
    {
        return $this->data['drift']['every'] ?? 0;
    }

    /** @return list<array{kind: string, why: string, what: string, file: string, line: int, detail: string, route: string, request_id: string, leaks: bool}> the oldest first */
    public function getDrifts(): array
    {
        return $this->data['drift']['found'] ?? [];
    }

    /** How many of them the next request sees. */
    public function getLeakCount(): int
    {
        return \count(array_filter($this->getDrifts(), static fn (array $drift): bool => $drift['leaks']));
    }

    /** @return array<string, mixed>|null of the reset before this request; null before the first */
    public function getLastReset(): ?array
    {
        return $this->data['reset'] ?? null;
    }

    /** @return array<string, float> milliseconds by resetter, the slowest first */
    public function getTimes(): array
    {
        return $this->data['times'] ?? [];
    }

    /** @return array<string, string> by resetter */
    public function getFailures(): array
    {
        return $this->data['failures'] ?? [];
    }
}
