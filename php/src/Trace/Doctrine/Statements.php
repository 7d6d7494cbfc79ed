<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace\Doctrine;

use Supercharger\Runtime\Trace\Spans;

/** Runs the statements of a connection, each in a span of its own. */
final readonly class Statements
{
    public function __construct(private Spans $spans, private Database $database)
    {
    }

    /**
     * @template T
     *
     * @param \Closure(): T $run
     *
     * @return T
     */
    public function run(string $sql, \Closure $run): mixed
    {
        if (!$this->spans->sampled()) {
            return $run();
        }
        $span = $this->spans->start(Sql::operation($sql), $this->database->attributes, 'client');
        if (0 === $span) {
            return $run();
        }
        $thrown = null;
        try {
            return $run();
        } catch (\Throwable $thrown) {
            throw $thrown;
        } finally {
            // What it takes to make the text presentable is no part of the database's time, and is spent on requests that are sampled alone.
            $this->spans->end($span, $thrown, [
                'db.operation.name' => Sql::operation($sql),
                'db.query.text' => Sql::withoutData($sql, $this->database->system),
            ]);
        }
    }
}
