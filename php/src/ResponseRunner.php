<?php

declare(strict_types=1);

namespace Supercharger\Runtime;

use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Runtime\RunnerInterface;

/** Gives one response to every request: for a front controller that returns one instead of a kernel. */
final readonly class ResponseRunner implements RunnerInterface
{
    public function __construct(private Response $response)
    {
    }

    public function run(): int
    {
        $handler = function (): void {
            $this->response->send();
        };
        while (supercharger_handle_request($handler));

        return 0;
    }
}
