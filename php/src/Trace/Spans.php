<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace;

/**
 * The application's part in a trace of the server's: spans below that of PHP. Under another server, and for a request that is not sampled,
 * nothing of it does anything.
 */
final readonly class Spans
{
    /**
     * @param (\Closure(string, array<string, string|int|float|bool>, string): int)|null $start
     * @param (\Closure(int, string|null, array<string, string|int|float|bool>): bool)|null $end
     * @param (\Closure(): string)|null $context
     * @param (\Closure(): bool)|null $sampled without one every request is
     */
    public function __construct(
        private ?\Closure $start = null,
        private ?\Closure $end = null,
        private ?\Closure $context = null,
        private bool $wanted = false,
        private ?\Closure $sampled = null,
    ) {
    }

    /** For the container, which cannot hold a closure. */
    public static function ofServer(): self
    {
        if (!\function_exists('supercharger_span_start')) {
            return new self();
        }

        // A server may be older than the package that the application has.
        $sampled = \function_exists('supercharger_sampled') ? supercharger_sampled(...) : null;

        return new self(supercharger_span_start(...), supercharger_span_end(...), supercharger_traceparent(...), supercharger_tracing(), $sampled);
    }

    /** Whether the server traces requests at all; that does not change while a worker lives. */
    public function wanted(): bool
    {
        return $this->wanted;
    }

    /** Whether spans of the current request are kept. Where not, what they would say need not be made. */
    public function sampled(): bool
    {
        return $this->wanted && (null === $this->sampled || ($this->sampled)());
    }

    /**
     * Begins a span within the one that is open.
     *
     * @param array<string, string|int|float|bool> $attributes
     * @param 'internal'|'client'|'producer'|'consumer' $kind `client` for what asks somebody else
     *
     * @return int for {@see end()}; 0: nobody wants it
     */
    public function start(string $name, array $attributes = [], string $kind = 'internal'): int
    {
        return null === $this->start ? 0 : ($this->start)($name, $attributes, $kind);
    }

    /** @param array<string, string|int|float|bool> $attributes */
    public function end(int $span, ?\Throwable $thrown = null, array $attributes = []): void
    {
        if (0 !== $span && null !== $this->end) {
            // Its class and not its message, which may hold data. That of an anonymous one is followed by a file.
            ($this->end)($span, null === $thrown ? null : get_debug_type($thrown), $attributes);
        }
    }

    /** The value of a header `traceparent` for what the application asks of others; empty if there is no trace. */
    public function context(): string
    {
        return null === $this->context ? '' : ($this->context)();
    }
}
