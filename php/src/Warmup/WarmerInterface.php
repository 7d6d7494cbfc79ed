<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

/**
 * Prepares something once per worker, before the worker counts as ready: metadata, templates, the routes.
 *
 * A service with this interface is found by autoconfiguration; otherwise tag it `supercharger.warmer` (or `runtime.warm`). A
 * higher `priority` runs earlier. What a warmer throws is logged, and the others run all the same.
 */
interface WarmerInterface
{
    public function warm(): void;
}
