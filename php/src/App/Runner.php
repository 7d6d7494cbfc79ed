<?php

declare(strict_types=1);

namespace Supercharger\Runtime\App;

use Symfony\Component\Runtime\RunnerInterface;

/** Runs, for symfony/runtime, what a front controller returns that is neither kernel nor response: {@see Application}. */
final readonly class Runner implements RunnerInterface
{
    public function __construct(private object $application)
    {
    }

    public function run(): int
    {
        return Loop::run($this->application);
    }
}
