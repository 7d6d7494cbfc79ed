<?php

declare(strict_types=1);

namespace App\Entity;

use Doctrine\ORM\Mapping as ORM;

#[ORM\Entity]
class Product
{
    private array $tags = [];
    private ?string $name = null;

    public function __construct(private \App\Cart $cart)
    {
    }

    public function rename(string $name): void
    {
        $this->name = $name;
        $this->tags[] = $name;
    }
}
