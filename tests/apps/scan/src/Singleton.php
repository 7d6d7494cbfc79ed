<?php

declare(strict_types=1);

namespace App;

final class Singleton
{
    private static ?self $instance = null; // expect: RS002 error
    private ?string $user = null;

    public static function getInstance(): self
    {
        return self::$instance ??= new self();
    }

    public function login(string $user): void
    {
        $this->user = $user;
    }
}

final class Plain
{
    private static $instance; // expect: RS002 warning

    public static function get(): static
    {
        if (null === self::$instance) {
            self::$instance = new static();
        }

        return self::$instance;
    }
}

final class InFunction
{
    public static function get(): self
    {
        static $instance; // expect: RS002 warning

        return $instance ??= new InFunction();
    }
}

final class NoSingleton
{
    public static function create(): self
    {
        return new self();
    }
}
