<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace\Doctrine;

use Doctrine\DBAL\Driver\Middleware\AbstractStatementMiddleware;
use Doctrine\DBAL\Driver\Result;
use Doctrine\DBAL\Driver\Statement;

/** Tells each run of a prepared statement, never what is bound to it. */
final class SpanStatement extends AbstractStatementMiddleware
{
    public function __construct(Statement $statement, private readonly string $sql, private readonly Statements $statements)
    {
        parent::__construct($statement);
    }

    /** @param mixed $params of DBAL 3 only, which passes them on */
    public function execute($params = null): Result
    {
        return $this->statements->run($this->sql, fn (): Result => null === $params ? parent::execute() : parent::execute($params));
    }
}
