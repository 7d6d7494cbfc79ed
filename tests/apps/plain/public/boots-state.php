<?php

declare(strict_types=1);

// A worker script that sets everything before its loop that a request may change again.

require __DIR__.'/../app.php';

$_ENV['BOOTED'] = 'at boot';
App\set_state('EUC-JP', 'none', true, '.boot', MYSQLI_REPORT_ERROR, 4, '/tmp', 'boot');
gc_disable();
pcntl_signal(SIGURG, static function (): void {});
stream_wrapper_unregister('data');
stream_wrapper_register('data', App\ConstantStream::class);

App\booted();

do {
    $again = supercharger_handle_request(App\dispatch(...));
    App\terminate();
} while ($again);
