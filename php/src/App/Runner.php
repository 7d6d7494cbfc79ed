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
        // Symfony's own handler keeps what it has to log until the script ends, and without a kernel nobody takes it from there. The server
        // answers for what nobody catches: 500, and a line in its log.
        set_exception_handler(null);

        return Loop::run($this->application);
    }
}
