<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Profiler;

use Supercharger\Runtime\Reset\ResetRegistry;
use Symfony\Bundle\FrameworkBundle\DataCollector\AbstractDataCollector;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/** The worker that has served a request, and how it was reset before that. */
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
