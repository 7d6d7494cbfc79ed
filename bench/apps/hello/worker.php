<?php

declare(strict_types=1);

require dirname(__DIR__).'/serve.php';

// The smallest worker there is: what a request costs before any application code runs.
$served = 0;
Bench\serve(static function () use (&$served): void {
    ++$served;
    header('Content-Type: text/plain');
    echo isset($_GET['served']) ? Bench\state($served) : 'Hello, world';
});
