<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

use Supercharger\Runtime\Bundle\BundlePart;
use Symfony\Component\DependencyInjection\ContainerBuilder;

/** @internal */
final class Part implements BundlePart
{
    public static function build(ContainerBuilder $container): void
    {
        $container->registerForAutoconfiguration(WarmerInterface::class)->addTag('supercharger.warmer');
        $container->addCompilerPass(new OfferedWarmersPass());
        $container->addCompilerPass(new TaggedClosuresPass('runtime_supercharger.warmup', ['supercharger.warmer', 'runtime.warm']));
    }
}
