<?php

declare(strict_types=1);

// A worker script that sets its save handler before the loop.

require __DIR__.'/../app.php';

session_set_save_handler(new App\LockedFiles(), true);

App\booted();

do {
    $again = supercharger_handle_request(App\dispatch(...));
    App\terminate();
} while ($again);
