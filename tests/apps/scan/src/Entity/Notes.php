<?php

declare(strict_types=1);

namespace App\Entity;

/** No service, and only made while the container is built. */
final class Notes
{
    private static array $notes = [];

    public function note(string $note): void
    {
        self::$notes[] = $note;
    }
}
