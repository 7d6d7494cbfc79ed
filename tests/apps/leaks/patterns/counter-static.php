<?php

// A counter in a static variable.

declare(strict_types=1);

namespace Leaks\CounterStatic;

function calls(): int
{
    static $calls = 0;

    return $calls++;
}

return static fn (string $user): mixed => calls() ?: null;
