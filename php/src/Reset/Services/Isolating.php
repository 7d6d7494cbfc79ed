<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset\Services;

use Supercharger\Runtime\Reset\ResetReport;
use Symfony\Contracts\Service\ResetInterface;

/** @internal what {@see IsolatedServices} offers besides reset() */
interface Isolating extends ResetInterface
{
    /**
     * @param callable(): mixed $run
     *
     * @return bool whether the services have been reset in it
     */
    public function during(ResetReport $report, callable $run): bool;
}
