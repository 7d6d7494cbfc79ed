<?php

declare(strict_types=1);

namespace App\Entity;

use Doctrine\ORM\Mapping as ORM;
use Symfony\Component\Validator\Constraints as Assert;

#[ORM\Entity]
class Account
{
    public function __construct(
        #[ORM\Id, ORM\Column]
        public readonly int $id,
        #[ORM\Column, Assert\NotBlank]
        public string $owner,
    ) {
    }
}
