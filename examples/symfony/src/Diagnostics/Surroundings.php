<?php

declare(strict_types=1);

namespace App\Diagnostics;

use App\Kernel;

/**
 * What the application runs on. The only place that knows the name of a server.
 */
final readonly class Surroundings
{
    public function symfonyVersion(): string
    {
        return Kernel::VERSION;
    }

    public function phpVersion(): string
    {
        return \PHP_VERSION;
    }

    public function isOpcacheEnabled(): bool
    {
        if (!\function_exists('opcache_get_status')) {
            return false;
        }
        $status = @opcache_get_status(false);

        return \is_array($status) && (bool) $status['opcache_enabled'];
    }

    /** @return array<string, mixed>|null null: not under supercharger */
    public function worker(): ?array
    {
        return \function_exists('supercharger_worker') ? supercharger_worker() : null;
    }
}
