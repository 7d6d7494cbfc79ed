<?php

declare(strict_types=1);

// The front controller of classic mode.

require __DIR__.'/../app.php';

App\dispatch();
