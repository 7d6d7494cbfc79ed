<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/**
 * Puts back what a request has left in the application. Services that implement it are found by themselves; others can be
 * tagged `supercharger.resetter`, with the name of a method and a priority if need be.
 *
 * It runs after each response, on the worker, before the next request is served. It should be quick, do no network I/O, and be
 * safe to run twice. What it throws is reported; the other resetters run all the same, and the worker is replaced.
 */
interface ResetterInterface
{
    public function reset(): void;
}
