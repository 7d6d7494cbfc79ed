<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/** A resetter that stands for several, and reports each of them. */
interface CompositeResetter
{
    public function resetAllInto(ResetReport $report): void;
}
