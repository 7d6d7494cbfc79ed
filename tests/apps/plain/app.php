<?php

declare(strict_types=1);

/*
 * The fixture application: the same routes for a worker script, a FrankenPHP-style worker script and classic mode.
 *
 * A route is a function without parameters that prints its answer. `TEST_DIR` names the private folder of the
 * test, where routes leave marker files and wait for marks that the test makes.
 */

namespace App;

require __DIR__.'/routes/request.php';
require __DIR__.'/routes/basics.php';
require __DIR__.'/routes/streams.php';
require __DIR__.'/routes/faults.php';
require __DIR__.'/routes/boundary.php';
require __DIR__.'/routes/response.php';
require __DIR__.'/routes/transfers.php';
require __DIR__.'/routes/state.php';
require __DIR__.'/routes/sessions.php';
require __DIR__.'/routes/opcache.php';
require __DIR__.'/routes/chaos.php';

final class Terminate
{
    /** What the loop does after the response of a request has left. */
    public static ?\Closure $step = null;
}

/** @return array<string, callable(): void> */
function routes(): array
{
    return basics() + streams() + faults() + boundary() + responses() + transfers() + process() + sessions() + opcache() + chaos();
}

/** Answers the current request. */
function dispatch(): void
{
    static $routes = null;
    $routes ??= routes() + request();
    // Where the path itself is what is tested, the route stands in the query.
    $path = isset($_GET['route']) ? '/'.$_GET['route'] : explode('?', $_SERVER['REQUEST_URI'], 2)[0];
    $route = $routes[$path] ?? null;
    if (null === $route) {
        http_response_code(404);
        echo 'no such route: ', $path;

        return;
    }
    $route();
}

/** The terminate step of a worker: whatever the request left to do. */
function terminate(): void
{
    $step = Terminate::$step;
    Terminate::$step = null;
    if (null !== $step) {
        $step();
    }
}

function test_dir(): string
{
    return (string) getenv('TEST_DIR');
}

/** Leaves a marker file; the test polls for it. */
function mark(string $name, string $content = ''): void
{
    // Renamed into place, so that the test never reads half a marker.
    $file = test_dir().'/'.$name;
    file_put_contents($file.'.new', $content);
    rename($file.'.new', $file);
}

/** Waits for a marker file that the test makes; bounded, so that a failed test leaves no request behind. */
function await(string $name, int $seconds = 30): void
{
    $file = test_dir().'/'.$name;
    $end = microtime(true) + $seconds;
    while (true) {
        clearstatcache(true, $file);
        if (file_exists($file)) {
            return;
        }
        if (microtime(true) > $end) {
            throw new \RuntimeException("nobody made $name");
        }
        usleep(2000);
    }
}

/** Says once per incarnation that the script was booted. */
function booted(): void
{
    mark('boot-server', json_encode($_SERVER, \JSON_THROW_ON_ERROR | \JSON_INVALID_UTF8_SUBSTITUTE));
    $functions = array_filter(['getallheaders', 'apache_request_headers', 'frankenphp_request_headers'], 'function_exists');
    mark('boot-headers', json_encode(array_map(static fn (string $name): array => $name(), $functions), \JSON_THROW_ON_ERROR));
    echo (string) getenv('SAY_AT_BOOT');
    $who = \function_exists('supercharger_worker') ? \supercharger_worker() : [];
    $line = sprintf("%d %s %s\n", getmypid(), $who['slot'] ?? '-', $who['incarnation'] ?? '-');
    file_put_contents(test_dir().'/boots.log', $line, \FILE_APPEND | \LOCK_EX);
}

function json(mixed $value): void
{
    header('Content-Type: application/json');
    echo json_encode($value, \JSON_THROW_ON_ERROR | \JSON_INVALID_UTF8_SUBSTITUTE);
}
