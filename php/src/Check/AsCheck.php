<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

/** Names a check. */
#[\Attribute(\Attribute::TARGET_CLASS)]
final readonly class AsCheck
{
    /**
     * @param string|null $name     1 to 100 bytes; the id of the service if none
     * @param bool        $required whether the server is not ready while it fails; otherwise that is a warning
     * @param float       $timeout  longest time in seconds; 0: what the server says (health.check_timeout)
     */
    public function __construct(public ?string $name = null, public bool $required = true, public float $timeout = 0.0)
    {
    }
}
