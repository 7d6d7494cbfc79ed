<?php

declare(strict_types=1);

// A worker script as FrankenPHP's documentation shows it: ignore_user_abort, handler made once, garbage collection.

ignore_user_abort(true);

require __DIR__.'/../app.php';

App\booted();

$handler = static function (): void {
    try {
        App\dispatch();
    } catch (\RuntimeException $exception) {
        http_response_code(500);
        echo 'handled: ', $exception->getMessage();
    }
};

$max = (int) ($_SERVER['MAX_REQUESTS'] ?? 0);
for ($requests = 0; !$max || $requests < $max; ++$requests) {
    $keep = \frankenphp_handle_request($handler);
    App\terminate();
    gc_collect_cycles();
    if (!$keep) {
        break;
    }
}
