<?php

declare(strict_types=1);

namespace Bench;

/**
 * Serves requests with the handler: again and again where the server keeps the script, once where it does not.
 *
 * @param callable(): void $handler
 */
function serve(callable $handler): void
{
    foreach (['supercharger_handle_request', 'frankenphp_handle_request'] as $function) {
        if (\function_exists($function)) {
            while ($function($handler)) {
            }

            return;
        }
    }
    $handler();
}

/** What the bench asks of every server: how many requests this copy of the application has served, and by what PHP. */
function state(int $served): string
{
    $status = \function_exists('opcache_get_status') ? opcache_get_status(false) : false;
    $jit = \is_array($status) && ($status['jit']['on'] ?? false);

    return \sprintf(
        'served=%d php=%s opcache=%s jit=%s threads=%s',
        $served,
        \PHP_VERSION,
        false !== $status ? 'on' : 'off',
        $jit ? 'on' : 'off',
        \PHP_ZTS ? 'yes' : 'no',
    );
}
