<?php

declare(strict_types=1);

namespace App\Diagnostics;

use Symfony\Contracts\Service\ResetInterface;

/**
 * Counts how often Symfony has reset the services of this container between two requests.
 */
final class ResetCounter implements ResetInterface
{
    private int $resets = 0;

    public function reset(): void
    {
        ++$this->resets;
    }

    public function resets(): int
    {
        return $this->resets;
    }
}
