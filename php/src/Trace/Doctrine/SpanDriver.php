<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace\Doctrine;

use Doctrine\DBAL\Driver;
use Doctrine\DBAL\Driver\Connection;
use Doctrine\DBAL\Driver\Middleware\AbstractDriverMiddleware;
use Supercharger\Runtime\Trace\Spans;

/** Opens connections whose statements are told. */
final class SpanDriver extends AbstractDriverMiddleware
{
    public function __construct(Driver $driver, private readonly Spans $spans)
    {
        parent::__construct($driver);
    }

    /** @param array<string, mixed> $params */
    public function connect(#[\SensitiveParameter] array $params): Connection
    {
        return new SpanConnection(parent::connect($params), new Statements($this->spans, Database::of($params)));
    }
}
