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

function filled_with_constants(string $key): ?string
{
    static $words = null;
    if (null === $words) {
        $words = ['a' => 'b', 'c' => self::class, 'd' => [1, -2.5]];
    }

    return $words[$key] ?? null;
}

function filled_with_a_value_of_its_own(): array
{
    static $words = null; // expect: RS006 warning
    if (null === $words) {
        $words = ['a' => getmypid()];
    }

    return $words;
}

function marked(): bool
{
    static $done = false; // expect: RS006 warning
    if ($done) {
        return false;
    }

    return $done = true;
}

function counts_within_one_call(string $text): ?string
{
    return preg_replace_callback('/a/', static function (array $found): string {
        static $number = 0;

        return $found[0].++$number;
    }, $text);
}

function counts_for_whoever_keeps_it(object $dispatcher): void
{
    $dispatcher->addListener('a', static function (): int {
        static $number = 0; // expect: RS006 error

        return ++$number;
    });
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
