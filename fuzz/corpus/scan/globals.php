<?php

declare(strict_types=1);

namespace App;

function reads_global(): mixed
{
    global $config; // expect: RS007 warning

    return $config;
}

function writes_global(string $user): void
{
    global $currentUser; // expect: RS007 error
    $currentUser = $user;
    $GLOBALS['user'] = $user; // expect: RS007 error
}

function reads_array(): mixed
{
    return $GLOBALS['config'] ?? null; // expect: RS007 warning
}

function local(string $config): string
{
    $config .= '!';

    return $config;
}
