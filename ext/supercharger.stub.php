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
