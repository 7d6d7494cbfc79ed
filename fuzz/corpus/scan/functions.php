<?php

declare(strict_types=1);

namespace App;

function request_id(): string
{
    static $id = null; // expect: RS006 error
    if ($id === null) {
        $id = bin2hex(random_bytes(8));
    }

    return $id;
}

function next_number(): int
{
    static $number = 0; // expect: RS006 error

    return ++$number;
}

function first_argument(string $name): string
{
    static $first; // expect: RS006 error

    return $first ??= $name;
}

function table(): array
{
    static $table; // expect: RS006 warning
    if (!$table) {
        $table = array_flip(range('a', 'z'));
    }

    return $table;
}

function by_key(string $key): string
{
    static $known = []; // expect: RS006 warning

    return $known[$key] ??= strrev($key);
}

function constant_table(string $key): ?string
{
    static $words = ['a' => 'b'];

    return $words[$key] ?? null;
}

function started(): string
{
    static $at = date('c'); // expect: RS006 error

    return $at;
}

function counter(): \Closure
{
    return static function (): int {
        static $calls = 0; // expect: RS006 error

        return $calls++;
    };
}

final class WithMethod
{
    public function remember(\Symfony\Component\HttpFoundation\Request $request): object
    {
        static $last; // expect: RS006 error
        $last = fn () => $request;

        return $last();
    }
}
