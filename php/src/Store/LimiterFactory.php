<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

use Symfony\Component\RateLimiter\LimiterInterface;
use Symfony\Component\RateLimiter\RateLimiterFactoryInterface;

// Symfony has this interface from 7.3 on.
if (interface_exists(RateLimiterFactoryInterface::class)) {
    interface LimiterFactory extends RateLimiterFactoryInterface
    {
    }
} else {
    interface LimiterFactory
    {
        /** @param string|null $key whose requests are counted */
        public function create(?string $key = null): LimiterInterface;
    }
}
