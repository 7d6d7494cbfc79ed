<?php

declare(strict_types=1);

// Boots well at first. Once the test has made `broken`, every further boot fails.

file_put_contents(getenv('TEST_DIR').'/boots.log', "boot\n", \FILE_APPEND | \LOCK_EX);

if (file_exists(getenv('TEST_DIR').'/broken')) {
    throw new RuntimeException('broken by a deploy');
}

while (supercharger_handle_request(static function (): void {
    if ('/exit' === $_SERVER['REQUEST_URI']) {
        exit(1);
    }
    echo 'works';
})) {
}
