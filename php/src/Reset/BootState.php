<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/** Puts something back as it was when the worker's requests began, and so has to look at it once the kernel has booted. */
interface BootState
{
    public const string TAG = 'runtime_supercharger.boot_state';

    public function remember(): void;
}
