<?php

// A signal handler.

declare(strict_types=1);

namespace Leaks\SignalHandler;

return static function (string $user): mixed {
    $before = pcntl_signal_get_handler(\SIGURG);
    pcntl_async_signals(true);
    pcntl_signal(\SIGURG, static function (): void {
    });

    return \is_int($before) ? null : 'its handler';
};
