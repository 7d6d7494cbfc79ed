<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Supercharger\Runtime\Bundle\BundlePart;
use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;

final class Part implements BundlePart
{
    /** FrameworkBundle collects what is tagged kernel.reset at -32. */
    private const int BEFORE_SYMFONY = 0;
    private const int AFTER_SYMFONY = -64;

    public static function build(ContainerBuilder $container): void
    {
        $container->registerForAutoconfiguration(ResetterInterface::class)->addTag(ResetterPass::TAG);
        $container->addCompilerPass(new LibrariesPass(), PassConfig::TYPE_BEFORE_OPTIMIZATION, self::BEFORE_SYMFONY);
        $container->addCompilerPass(new DoctrinePass(), PassConfig::TYPE_BEFORE_OPTIMIZATION, self::BEFORE_SYMFONY);
        $container->addCompilerPass(new BootStatePass(), PassConfig::TYPE_BEFORE_OPTIMIZATION, self::BEFORE_SYMFONY);
        $container->addCompilerPass(new DebugLoggerPass(), PassConfig::TYPE_BEFORE_OPTIMIZATION, self::AFTER_SYMFONY);
        $container->addCompilerPass(new ResetterPass(), PassConfig::TYPE_BEFORE_OPTIMIZATION, self::AFTER_SYMFONY);
        $container->addCompilerPass(new InventoryPass(), PassConfig::TYPE_BEFORE_OPTIMIZATION, self::AFTER_SYMFONY);
    }
}
