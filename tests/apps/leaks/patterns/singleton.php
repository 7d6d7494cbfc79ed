<?php

// A singleton that knows its user.

declare(strict_types=1);

namespace Leaks\Singleton;

final class Session
{
    private static ?self $instance = null;
    private ?string $user = null;

    public static function get(): self
    {
        return self::$instance ??= new self();
    }

    public function switch(string $user): mixed
    {
        $before = $this->user;
        $this->user = $user;

        return $before;
    }
}

return static fn (string $user): mixed => Session::get()->switch($user);
