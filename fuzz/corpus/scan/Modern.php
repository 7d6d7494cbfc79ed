<?php

declare(strict_types=1);

namespace App;

// Syntax of PHP 8.4 and 8.5.
final class Modern
{
    public private(set) string $name = "" {
        get => $this->name;
        set(string $value) { $this->name = trim($value); }
    }

    public function go(array $list): mixed
    {
        return $list |> array_filter(...) |> (fn (array $rest): array => array_values($rest));
    }

    public function other(): static
    {
        return clone($this, ["name" => new Modern()->name]);
    }
}
