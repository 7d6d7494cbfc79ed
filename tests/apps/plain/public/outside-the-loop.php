<?php

declare(strict_types=1);

// handle_request() outside a worker is a programming error, not a hang.

try {
    supercharger_handle_request(static function (): void {});
    echo 'no exception';
} catch (\RuntimeException $exception) {
    echo 'RuntimeException: ', $exception->getMessage();
}
