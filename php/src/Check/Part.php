<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

use Supercharger\Runtime\Bundle\BundlePart;
use Supercharger\Runtime\Warmup\TaggedClosuresPass;
use Symfony\Component\DependencyInjection\ChildDefinition;
use Symfony\Component\DependencyInjection\ContainerBuilder;

/** @internal */
final class Part implements BundlePart
{
    public static function build(ContainerBuilder $container): void
    {
        $container->registerForAutoconfiguration(CheckInterface::class)->addTag('supercharger.check');
        $container->registerAttributeForAutoconfiguration(
            AsCheck::class,
            static function (ChildDefinition $definition, AsCheck $check): void {
                $definition->addTag('supercharger.check', array_filter(
                    ['name' => $check->name, 'required' => $check->required, 'timeout' => $check->timeout],
                    static fn (mixed $value) => null !== $value,
                ));
            },
        );
        $container->addCompilerPass(new ConfiguredChecksPass());
        $container->addCompilerPass(new TaggedClosuresPass('runtime_supercharger.checks', ['supercharger.check']));
    }
}
