<?php

declare(strict_types=1);

namespace App\Leak\CompilerPass;

use Symfony\Component\DependencyInjection\Attribute\Exclude;

#[Exclude]
final class Tenant
{
    private static ?self $instance = null;

    public ?string $user = null;

    private function __construct()
    {
    }

    public static function instance(): self
    {
        return self::$instance ??= new self();
    }
}
