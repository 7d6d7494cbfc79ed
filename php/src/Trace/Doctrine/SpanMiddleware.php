<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace\Doctrine;

use Doctrine\DBAL\Driver;
use Doctrine\DBAL\Driver\Middleware;
use Supercharger\Runtime\Trace\Spans;

/** A span for each statement that a connection runs. Where the server traces nothing the driver is left as it is. */
final readonly class SpanMiddleware implements Middleware
{
    public function __construct(private Spans $spans)
    {
    }

    public function wrap(Driver $driver): Driver
    {
        return $this->spans->wanted() ? new SpanDriver($driver, $this->spans) : $driver;
    }
}
