<?php

declare(strict_types=1);

// A plain worker script.

require __DIR__.'/../app.php';

App\booted();

do {
    $again = supercharger_handle_request(App\dispatch(...));
    App\terminate();
} while ($again);
