<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/** All resetters of the application. */
interface ResetRegistryInterface
{
    /** Runs every resetter, in order of priority, whatever the others do. Never throws. */
    public function resetAll(): ResetReport;
}
