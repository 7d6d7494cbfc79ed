<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use ProxyManager\Proxy\LazyLoadingInterface;
use Symfony\Component\VarExporter\LazyObjectInterface;

/** Services that exist but have not been used: there is nothing in them to put back, and touching them would make them. */
final class LazyObjects
{
    public static function isUntouched(object $service): bool
    {
        return ($service instanceof LazyObjectInterface && !$service->isLazyObjectInitialized(true))
            || ($service instanceof LazyLoadingInterface && !$service->isProxyInitialized())
            || (new \ReflectionClass($service))->isUninitializedLazyObject($service);
    }
}
