<?php

/**
 * @generate-class-entries
 * @undocumentable
 */

namespace {

    /**
     * Serves one request of this worker.
     *
     * Runs the boundary of the former request first: everything that belonged to it is reset by the engine. Then waits
     * for the next request and calls $handler with the superglobals of that request. The response leaves when $handler
     * returns; code after this call runs off the client's path.
     *
     * @param callable $handler called without arguments, once
     * @return bool false: no more requests will come, leave the loop
     * @throws RuntimeException if the script does not run as a worker
     */
    function supercharger_handle_request(callable $handler): bool {}

    /** @alias supercharger_handle_request */
    function frankenphp_handle_request(callable $handler): bool {}

    /**
     * Registers a function that puts application state back. It runs at every boundary of two requests, after the response has
     * left, before the engine's own reset and with the superglobals of the request that is over.
     *
     * Resetters run in the order of their registration, each for itself: if one throws, that is logged (`reset.error`), the others
     * run all the same, and the worker is replaced before another request is served (`pools.NAME.reset.on_error`). A resetter
     * stays for the life of the worker, also one that a request has registered. Registering again under the same name
     * replaces the former one in its place; without a name the same function is registered once.
     *
     * Where no script outlives its request (classic mode, `php-cli`) this does nothing.
     *
     * @param callable $resetter called without arguments
     * @param string $name for the log; its own name if empty
     * @throws RuntimeException if 1024 are registered already
     */
    function supercharger_on_reset(callable $resetter, string $name = ''): void {}

    /**
     * Tells the server of the resetters that the one which runs now stands for. Each is counted (`resetCount`), each failure is logged
     * as that of a resetter of its own. Outside of a resetter this does nothing.
     *
     * @param int $count of those that have run
     * @param array<string, Throwable> $failures by the name of the resetter; other values are passed over
     * @throws ValueError if the count is negative
     */
    function supercharger_reset_report(int $count, array $failures = []): void {}

    /**
     * Registers a function that an idle worker calls now and then, to keep a database connection alive for instance.
     *
     * It never runs while the worker has a request. Superglobals are as at boot, output goes to the log, and the boundary follows:
     * resetters and the engine's reset. What it throws is logged (`idle.error`) and counts as a failed reset. As for names and
     * lifetime, see supercharger_on_reset().
     *
     * Where no script outlives its request (classic mode, `php-cli`) this does nothing.
     *
     * @param callable $tick called without arguments
     * @param float $seconds least time between two calls, 0.1 to 86400
     * @param string $name for the log; its own name if empty
     * @throws ValueError for other times
     * @throws RuntimeException if 1024 are registered already
     */
    function supercharger_on_idle(callable $tick, float $seconds, string $name = ''): void {}

    /**
     * Registers a readiness check: a function that tells whether something the application depends on is there, such as a database.
     *
     * An idle worker of the pool runs it, never on the path of a request, once after the boot and again when its result is older than
     * `health.check_ttl` and somebody asks how the server stands. `/ready` is 503 while the latest result of a required check is a
     * failure, or there is none yet; one that is not required is shown as a warning. A check has failed if it throws or returns false.
     * A text that it returns is shown beside its result. What it throws, and that text, are for those whom the guard lets
     * pass, with secrets blackened.
     *
     * Superglobals, output and what it leaves behind are as with supercharger_on_idle(); so are names and lifetime. A check that takes longer than
     * its time has failed, and its worker is replaced.
     *
     * Where no script outlives its request (classic mode, `php-cli`) this does nothing.
     *
     * @param callable $check called without arguments
     * @param string $name 1 to 100 bytes without control characters; a label of metrics
     * @param bool $required whether the server is not ready while it fails
     * @param float $timeout longest time in seconds, up to 3600; 0: `health.check_timeout`
     * @throws ValueError for another name or time
     * @throws RuntimeException if 64 are registered already
     */
    function supercharger_on_check(callable $check, string $name, bool $required = true, float $timeout = 0.0): void {}

    /**
     * Says how the warm-up of the application went: the event `worker.warmup`. To be called while the worker boots, which is before it counts as
     * ready; later, and where no script outlives its request, it does nothing.
     *
     * @param int $count warmers that have run
     * @param int $failed those of them that failed
     * @param float $ms time of all of them, in milliseconds
     * @throws ValueError for values that cannot be
     */
    function supercharger_warmed(int $count, int $failed = 0, float $ms = 0.0): void {}

    /**
     * Asks for a new worker in the place of this one once the current request is over. No request is lost by it.
     *
     * In classic mode the thread is replaced; under `php-cli` this does nothing.
     *
     * @param string $reason for the log, up to 200 bytes
     */
    function supercharger_recycle(string $reason = 'app_request'): void {}

    /**
     * Names the route of the current request: its template, never the path that a client sent. It is a label of metrics and a field of
     * logs and traces. The last call counts; outside of a request this does nothing.
     *
     * @param string $template such as `/orders/{id}`, up to 200 bytes
     * @throws ValueError if it is longer or holds control characters
     */
    function supercharger_route(string $template): void {}

    /**
     * Sends the response now; the script goes on. Output after this call is dropped.
     *
     * @return bool false: there is no open response
     */
    function supercharger_finish_request(): bool {}

    /** @alias supercharger_finish_request */
    function frankenphp_finish_request(): bool {}

    /** @alias supercharger_finish_request */
    function fastcgi_finish_request(): bool {}

    /**
     * Sends the headers set so far, now.
     *
     * A status from 100 to 199 (103 Early Hints) makes a head that precedes the final one; its headers stay set for that one too, so
     * header_remove() those that are for the hint only. Any other status makes the final head. Output that is still in a
     * buffer is not flushed.
     *
     * @param int $status 100 to 999, but not 101
     * @return int 1: the head leaves; 0: it does not. Final head: it has left before, or there is no open
     *         response. Interim head: the same, or the client speaks HTTP/1.0 or HTTP/2, or has been sent too many
     * @throws ValueError for another status
     */
    function headers_send(int $status = 200): int {}

    /**
     * Tells the drift detector of something that the current request has left behind and that only the application can see: an open
     * transaction, listeners that were added. It is logged (`drift.found`) once per worker, kind and key, and counts as a leak.
     *
     * Where drift is not looked for (`pools.NAME.reset.drift` is off, classic mode, `php-cli`) this does nothing.
     *
     * @param string $kind what sort of thing, `transaction` for instance; cut at 64 bytes
     * @param string $key which one; cut at 256 bytes
     * @param string $detail in words; cut at 1 KiB
     * @param bool $put_back the caller has put it back, so that the next request does not see it: told as `put_back`, which is no leak
     */
    function supercharger_drift(string $kind, string $key, string $detail = '', bool $put_back = false): void {}

    /**
     * What the drift detector has found in this worker so far, the first 64 of it; see docs/drift.md. `every` says after every how many requests
     * it looks; 0: never.
     *
     * `request_id` and `route` are those of the request that was seen to leave it first; `leaks`: the next request sees it.
     *
     * @return array{every: int, found: list<array{kind: string, why: string, what: string, file: string, line: int, detail: string, route: string, request_id: string, leaks: bool}>}
     */
    function supercharger_drift_found(): array {}

    /**
     * Begins a span of the application's own: a part of the request, to be seen in its trace. It is a part of the span that was begun last and is
     * still open, or else of the server's span `php`. Its times are the server's.
     *
     * A request has up to 256 of them; those beyond are counted. One that is left open ends with its request. What the reset does is not
     * part of a request.
     *
     * @param string $name what is done, of few different words: `SELECT shop`; cut at 256 bytes
     * @param array<string, string|int|float|bool> $attributes up to 16; other values are passed over, texts are cut at 4 KiB, those of a request
     *        have 64 KiB together
     * @param string $kind `internal`; `client` for what asks somebody else; `producer`, `consumer`
     * @return int for supercharger_span_end(); 0: nobody wants it, because the request is not sampled, there are too many or there is no request
     * @throws ValueError for another kind
     */
    function supercharger_span_start(string $name, array $attributes = [], string $kind = 'internal'): int {}

    /**
     * Ends a span. Those within it that are open stay open.
     *
     * @param int $span what supercharger_span_start() has returned; anything else does nothing
     * @param string|null $error what went wrong, of few different words: the class of a throwable. Not a message, which may hold data
     * @param array<string, string|int|float|bool> $attributes more of them; those said before are replaced
     * @return bool false: no such span is open
     */
    function supercharger_span_end(int $span, ?string $error = null, array $attributes = []): bool {}

    /**
     * The context for what the current request asks of others: the value of a header `traceparent` (W3C Trace Context) with the span that
     * was begun last and is still open as the parent. Empty outside of a request and where requests are not traced.
     */
    function supercharger_traceparent(): string {}

    /** Whether the server traces requests (`otlp.endpoint`); that does not change while a worker lives. One that is not sampled has a context, too. */
    function supercharger_tracing(): bool {}

    /**
     * Whether spans of the current request are kept: it is traced and sampled, and is not in its reset. Where this says no, supercharger_span_start()
     * answers 0, and what it would be given need not be made.
     */
    function supercharger_sampled(): bool {}

    /**
     * What is known of the worker that runs this script.
     *
     * @return array{pool: string, slot: int, incarnation: int, requests: int, uptime_seconds: float, memory_bytes: int, memory_peak_bytes: int, request_id: string, mode: string}
     */
    function supercharger_worker(): array {}

    /** Id of the current request; an empty string outside of one. */
    function supercharger_request_id(): string {}

    /**
     * Writes a structured record to the server's log.
     *
     * @param int $level -4 debug, 0 info, 4 warning, 8 error
     * @param array<string, mixed> $context JSON-serializable values
     */
    function supercharger_log(string $message, int $level = 0, array $context = []): void {}

    /** @alias supercharger_log */
    function frankenphp_log(string $message, int $level = 0, array $context = []): void {}

    /**
     * What the store has by this key.
     *
     * The store is shared by all workers of a server, also of several processes (`server.processes`), and survives their replacement and a
     * reload. Under `php-cli` each process has one of its own. See docs/store.md.
     *
     * @param string $key 1 to 1024 bytes
     * @param mixed $default if there is none, or it cannot be unserialized any more
     * @throws RuntimeException if a process holds the store that stands still, or in a forked process; so do all functions of the store
     */
    function supercharger_store_get(string $key, mixed $default = null): mixed {}

    /** Whether there is something by this key; that is neither a use nor a hit. */
    function supercharger_store_has(string $key): bool {}

    /**
     * Stores a value; one that is no string is serialized.
     *
     * @param float $ttl seconds until it is gone; 0: none
     * @param bool $keep it is never dropped to make room; what is kept has half of the store
     * @return bool false: it is larger than `store.max_value`, or is to be kept and there is no room. What was there still is
     */
    function supercharger_store_set(string $key, mixed $value, float $ttl = 0.0, bool $keep = false): bool {}

    /**
     * The same, but only if there is nothing by this key.
     *
     * @return bool false also if there is
     */
    function supercharger_store_add(string $key, mixed $value, float $ttl = 0.0, bool $keep = false): bool {}

    /** @return bool whether there was something */
    function supercharger_store_delete(string $key): bool {}

    /**
     * Removes all values whose keys begin so. Counters, locks and limits stay.
     *
     * @return int how many there were
     */
    function supercharger_store_clear(string $prefix = ''): int {}

    /**
     * How the store stands. `scope` is `server`, or `process` if it is of this process alone.
     *
     * @return array{scope: string, max_memory_bytes: int, max_entries: int, max_value_bytes: int, memory_bytes: int, entries: int, kept_memory_bytes: int, kept_entries: int, hits: int, misses: int, evictions: int, expirations: int, refusals: int, lock_conflicts: int, wipes: int}
     */
    function supercharger_store_info(): array {}

    /**
     * Adds to a counter, atomically. A counter that is not there begins at 0. Counters have keys of their own and are kept.
     *
     * @param float $ttl seconds from its beginning until it is gone; later calls do not change that. 0: none
     * @return int what it is now
     * @throws OverflowException if it would not fit; it is what it was
     * @throws RuntimeException if there is no room for one more
     */
    function supercharger_counter_add(string $key, int $by = 1, float $ttl = 0.0): int {}

    /** @return int what the counter is; $default if there is none */
    function supercharger_counter_get(string $key, int $default = 0): int {}

    /** @return bool whether there was one */
    function supercharger_counter_delete(string $key): bool {}

    /**
     * Takes a lock. Who has it already takes it anew, for that time, shared or not.
     *
     * @param string $token who takes it, 1 to 255 bytes: whoever knows it may extend and release the lock
     * @param float $ttl seconds until it counts no more unless it is extended
     * @param float $wait seconds to wait for it. Deadlines and signals are heard meanwhile. Whoever asks next gets it: there is no line
     * @param bool $shared as one of several readers
     * @param bool $bound it is released when the worker ends by exit or an error, or its process crashes. If the worker is replaced in order it is
     *        not; nor does the end of a request release it
     * @return bool whether it is held now
     * @throws RuntimeException if there is no room for one more
     */
    function supercharger_lock_acquire(string $key, string $token, float $ttl, float $wait = 0.0, bool $shared = false, bool $bound = true): bool {}

    /** @return bool false: that token does not hold it any more */
    function supercharger_lock_extend(string $key, string $token, float $ttl): bool {}

    /** @return bool false: that token did not hold it any more */
    function supercharger_lock_release(string $key, string $token): bool {}

    /** Whether that token holds the lock. */
    function supercharger_lock_held(string $key, string $token): bool {}

    /**
     * Decides whether something may happen now, and counts it if so, in one step: of a thousand that ask at once exactly as many pass as may.
     *
     * All limits hold together. `policy` is `fixed_window`, `sliding_window` or `token_bucket`, `interval` is in seconds, `amount` is how
     * many tokens come back to a bucket in an interval (1).
     *
     * @param string $key whose requests are counted. Limits that change begin anew
     * @param list<array{policy: string, limit: int, interval: float, amount?: int}> $limits 1 to 8
     * @param int $cost 0: only ask
     * @param float $wait token buckets only: what may happen within so many seconds is counted; `retry_after` says when
     * @param string $rule name for metrics (`supercharger_rate_limited_total`); the first 63 names are told apart
     * @return array{allowed: bool, index: int, limit: int, remaining: int, retry_after: float, reset_after: float} of the limit that says the most;
     *         times in seconds
     * @throws RuntimeException if there is no room for one more key
     */
    function supercharger_rate_limit(string $key, array $limits, int $cost = 1, float $wait = 0.0, string $rule = ''): array {}

    /** Forgets what was counted. */
    function supercharger_rate_limit_reset(string $key): bool {}

    /** @return array<string, string> headers of the current request; empty outside of one */
    function frankenphp_request_headers(): array {}

    /** @alias frankenphp_request_headers */
    function apache_request_headers(): array {}

    /** @alias frankenphp_request_headers */
    function getallheaders(): array {}

    /** @return array<string, string> headers set for the response so far */
    function frankenphp_response_headers(): array {}

    /** @alias frankenphp_response_headers */
    function apache_response_headers(): array {}

    /** @internal finds the classes that the binary carries */
    function supercharger_autoload(string $class): void {}
}
