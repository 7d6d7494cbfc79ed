<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Supercharger\Runtime\Bundle\Console\DoctorCommand;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Contracts\Service\ResetInterface;

/** Tells the doctor which resetters there are, and what could be reset and is not. */
final class InventoryPass implements CompilerPassInterface
{
    /** Services of these are their makers' business. */
    private const array NOT_OURS = ['Symfony\\', 'Doctrine\\', 'Twig\\', 'Monolog\\', 'Supercharger\\Runtime\\Reset\\'];

    public function process(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition(DoctorCommand::class)) {
            return;
        }
        $tags = ['kernel.reset', ResetterPass::TAG, ...ResetterPass::ALIASES];
        $resetters = $unreset = [];
        foreach ($container->getDefinitions() as $id => $definition) {
            $class = Classes::of($container, $id);
            if ($definition->isAbstract() || null === $class) {
                continue;
            }
            if ([] !== array_intersect($tags, array_keys($definition->getTags()))) {
                if (!$definition->hasTag('kernel.reset')) {
                    $resetters[$id] = $class;
                }
            } elseif ($definition->isShared() && Classes::isA($class, ResetInterface::class) && !self::isOfALibrary($class)) {
                $unreset[$id] = $class;
            }
        }
        $container->getDefinition(DoctorCommand::class)->setArgument(2, $resetters)->setArgument(3, $unreset);
    }

    private static function isOfALibrary(string $class): bool
    {
        return array_any(self::NOT_OURS, static fn (string $prefix) => str_starts_with($class, $prefix));
    }
}
