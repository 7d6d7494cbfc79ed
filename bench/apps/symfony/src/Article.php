<?php

declare(strict_types=1);

namespace Bench\Symfony;

/** One line of a list. */
final readonly class Article implements \JsonSerializable
{
    public function __construct(public int $number, public string $title, public float $price)
    {
    }

    /** @return array<string, int|string|float> */
    public function jsonSerialize(): array
    {
        return ['number' => $this->number, 'title' => $this->title, 'price' => $this->price];
    }
}
