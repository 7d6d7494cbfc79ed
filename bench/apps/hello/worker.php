<?php

declare(strict_types=1);

// The smallest worker there is: what a request costs before any application code runs.
while (supercharger_handle_request(static function (): void {
    header('Content-Type: text/plain');
    echo 'Hello, world';
})) {
}
