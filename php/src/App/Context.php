<?php

declare(strict_types=1);

namespace Supercharger\Runtime\App;

/**
 * The current request as an array, for applications that want no library.
 *
 * It has the names of two contracts: `id, method, uri, path, query, headers, body, remote_addr, host, scheme, timeout_ms, worker_id,
 * runtime_version` of array handlers, and `engine, nowFloat, server, get, post, cookie, files, input` of runtime entries.
 */
final class Context
{
    /** @return array<string, mixed> */
    public static function current(): array
    {
        $uri = self::text('REQUEST_URI');
        $body = (string) file_get_contents('php://input');
        $worker = supercharger_worker();

        return [
            'id' => supercharger_request_id(),
            'method' => self::text('REQUEST_METHOD'),
            'uri' => $uri,
            'path' => explode('?', $uri, 2)[0],
            'query' => $_GET,
            'headers' => array_change_key_case(getallheaders()),
            'body' => $body,
            'remote_addr' => self::text('REMOTE_ADDR'),
            'host' => self::text('HTTP_HOST'),
            'scheme' => \in_array(self::text('HTTPS'), ['', 'off'], true) ? 'http' : 'https',
            // The server counts down itself; what a script may know is when PHP would give up.
            'timeout_ms' => 1000 * (int) \ini_get('max_execution_time'),
            'worker_id' => \sprintf('%s-%d-%d', $worker['pool'], $worker['slot'], $worker['incarnation']),
            'runtime_version' => self::text('SERVER_SOFTWARE'),
            'engine' => 'supercharger',
            'nowFloat' => microtime(true),
            'server' => $_SERVER,
            'get' => $_GET,
            'post' => $_POST,
            'cookie' => $_COOKIE,
            'files' => $_FILES,
            'input' => $body,
        ];
    }

    private static function text(string $name): string
    {
        $value = $_SERVER[$name] ?? '';

        return \is_string($value) ? $value : '';
    }
}
