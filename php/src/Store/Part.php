<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

use Supercharger\Runtime\Bundle\BundlePart;
use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;

final class Part implements BundlePart
{
    public static function build(ContainerBuilder $container): void
    {
        $container->addCompilerPass(new StorePass(), PassConfig::TYPE_BEFORE_OPTIMIZATION);
    }
}
