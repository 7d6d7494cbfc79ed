<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace\Doctrine;

use Doctrine\DBAL\Driver\Connection;
use Doctrine\DBAL\Driver\Middleware\AbstractConnectionMiddleware;
use Doctrine\DBAL\Driver\Result;
use Doctrine\DBAL\Driver\Statement;

/** Tells what it runs. The beginning and the end of a transaction have other signatures in each version of DBAL and are left alone. */
final class SpanConnection extends AbstractConnectionMiddleware
{
    public function __construct(Connection $connection, private readonly Statements $statements)
    {
        parent::__construct($connection);
    }

    public function prepare(string $sql): Statement
    {
        return new SpanStatement(parent::prepare($sql), $sql, $this->statements);
    }

    public function query(string $sql): Result
    {
        return $this->statements->run($sql, fn (): Result => parent::query($sql));
    }

    public function exec(string $sql): int
    {
        return (int) $this->statements->run($sql, fn (): int|string => parent::exec($sql));
    }
}
