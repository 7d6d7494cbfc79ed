<?php

declare(strict_types=1);

require dirname(__DIR__).'/serve.php';

// Large bodies: one MiB out, or whatever comes in, counted.
$served = 0;
$large = str_repeat('0123456789abcdef', 65536);
Bench\serve(static function () use (&$served, $large): void {
    ++$served;
    if (isset($_GET['served'])) {
        header('Content-Type: text/plain');
        echo Bench\state($served);
    } elseif ('POST' === $_SERVER['REQUEST_METHOD']) {
        header('Content-Type: text/plain');
        $input = fopen('php://input', 'rb');
        $bytes = 0;
        while (!feof($input)) {
            $bytes += strlen((string) fread($input, 65536));
        }
        echo $bytes;
    } else {
        header('Content-Type: application/octet-stream');
        echo $large;
    }
});
