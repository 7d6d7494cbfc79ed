<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/** Resetters have failed; the first of them is the previous exception. */
final class ResetFailed extends \RuntimeException
{
    public function __construct(public readonly ResetReport $report)
    {
        $failures = $report->failures;
        parent::__construct(\sprintf('%d of %d resetters failed: %s', $report->errorCount, $report->resetCount, implode(', ', array_keys($failures))), 0, reset($failures) ?: null);
    }
}
