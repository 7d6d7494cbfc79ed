<?php

declare(strict_types=1);

// Router of PHP's own development server: the same routes, for comparison.

require __DIR__.'/app.php';

App\dispatch();
