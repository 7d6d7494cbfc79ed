<?php

declare(strict_types=1);

namespace App;

// Every line with a comment of this form is a finding, and no other is: see tests/it/scan.rs.
final class StaticProperty
{
    private static array $entries = []; // expect: RS001 error
    static private ?string $reversed = null; // expect: RS001 error
    public static int $open = 0; // expect: RS001 warning
    private static $untyped; // expect: RS001 error
    private static ?array $table = null; // expect: RS001 warning
    private static array $byKey = []; // expect: RS001 warning
    private static ?string $lastUser = null; // expect: RS001 error
    private static ?string $startedAt = null; // expect: RS001 error
    protected static ?array $fromOutside = null; // expect: RS001 error
    private static array $neverWritten = ['a' => 1];
    private static int $depth = 0;
    private static array $recent = [];
    private static array $forgotten = []; // expect: RS001 warning
    private static ?\Closure $bound = null;
    private static ?\Closure $taking = null; // expect: RS001 warning
    private static array $taken = []; // expect: RS001 warning
    private static array $spliced = []; // expect: RS001 error
    private static array $short = [];
    private static array $cut = [];
    private static bool $booted = false; // expect: RS001 warning
    private static ?string $current = null; // expect: RS001 error
    private const TABLE = ['a' => 1];

    public static function add(string $value): void
    {
        self::$entries[] = $value;
        static::$reversed = $value;
        [, self::$untyped] = [1, $value];
    }

    public static function table(): array
    {
        return self::$table ??= array_flip(self::TABLE);
    }

    public static function byKey(string $key): string
    {
        if (isset(self::$byKey[$key])) {
            return self::$byKey[$key];
        }

        return self::$byKey[$key] = strrev($key);
    }

    public static function recent(string $key): string
    {
        if (1000 < \count(self::$recent)) {
            self::$recent = \array_slice(self::$recent, 500, null, true);
        }

        return self::$recent[$key] ??= strrev($key);
    }

    public static function forgotten(string $key): string
    {
        if ('' === $key) {
            unset(self::$forgotten[$key]);
        }

        return self::$forgotten[$key] ??= strrev($key);
    }

    public static function bound(): \Closure
    {
        $taken = self::TABLE;
        self::$taking ??= static function () use ($taken): array {
            return $taken;
        };

        return self::$bound ??= \Closure::bind(static function (object $of): array {
            return (array) $of;
        }, null, self::class);
    }

    public static function taken(string $key): string
    {
        return self::$taken[$key] ??= strrev($key);
    }

    /** No bound: nobody has to call it. */
    public static function take(): ?string
    {
        return array_pop(self::$taken);
    }

    public static function spliced(string $value): void
    {
        array_splice(self::$spliced, 0, 0, [$value]);
    }

    public static function short(string $key): string
    {
        if (\count(self::$short) > 100) {
            array_splice(self::$short, 50);
        }

        return self::$short[$key] ??= strrev($key);
    }

    public static function cut(string $key): string
    {
        self::cutOff();

        return self::$cut[$key] ??= strrev($key);
    }

    private static function cutOff(): void
    {
        self::$cut = \array_slice(self::$cut, -100);
    }

    public static function current(): void
    {
        if (!self::$booted) {
            self::$booted = true;
        }
        self::$current = (string) file_get_contents('/srv/current');
    }

    public static function user(string $user): string
    {
        return self::$lastUser ??= $user;
    }

    public static function startedAt(): string
    {
        return self::$startedAt ??= date('c');
    }

    public static function nested(callable $work): mixed
    {
        ++self::$depth;
        try {
            return $work(self::$neverWritten);
        } finally {
            --self::$depth;
        }
    }
}

final class Outside extends Configured
{
    public function write(array $value): void
    {
        parent::$fromParent = $value;
        StaticProperty::$fromOutside = $value;
    }
}

abstract class Configured
{
    protected static array $fromParent = []; // expect: RS001 error
}

trait Counted
{
    private static int $count = 0; // expect: RS001 error

    public function count(): int
    {
        return ++self::$count;
    }
}
