<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Supercharger\Runtime\Reset\Services\ServicesResetterOf64;
use Supercharger\Runtime\Reset\Services\ServicesResetterOf72;
use Supercharger\Runtime\Reset\Services\ServicesResetterOf81;
use Symfony\Component\DependencyInjection\Argument\ServiceClosureArgument;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\ContainerInterface;
use Symfony\Component\DependencyInjection\Exception\InvalidArgumentException;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\DependencyInjection\ServicesResetterInterface as InterfaceOf81;
use Symfony\Component\HttpKernel\DependencyInjection\ServicesResetterInterface as InterfaceOf72;

/** Gives the registry its resetters, and Symfony's services resetter its isolation. */
final class ResetterPass implements CompilerPassInterface
{
    public const string TAG = 'supercharger.resetter';
    /** Names that others have used for the same thing. */
    public const array ALIASES = ['runtime_supercharger_resetter', 'runtime.reset'];
    public const string REGISTRY = 'runtime_supercharger.reset_registry';

    public function process(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition(self::REGISTRY)) {
            return;
        }
        $this->isolate($container);
        if (!$container->has('kernel')) {
            $container->removeDefinition('runtime_supercharger.kernel_resetter');
        }
        $resetters = $methods = [];
        foreach ($this->tagged($container) as [$id, $method]) {
            // What implements our interface is there to be run. What is merely tagged holds state only if somebody has used it.
            $class = Classes::of($container, $id) ?? '';
            $always = Classes::isA($class, ResetterInterface::class) || Classes::isA($class, CompositeResetter::class);
            // Each by itself: one that cannot be made takes no other with it.
            $resetters[$id] = new ServiceClosureArgument(new Reference($id, $always
                ? ContainerInterface::EXCEPTION_ON_INVALID_REFERENCE
                : ContainerInterface::IGNORE_ON_UNINITIALIZED_REFERENCE));
            if ('reset' !== $method) {
                $methods[$id] = $method;
            }
        }
        $container->getDefinition(self::REGISTRY)
            ->setArgument(0, $resetters)
            ->setArgument(1, $methods);
    }

    /** @return list<array{string, string}> service and method, highest priority first, else in the order of definition */
    private function tagged(ContainerBuilder $container): array
    {
        $found = [];
        foreach ([self::TAG, ...self::ALIASES] as $tag) {
            foreach ($container->findTaggedServiceIds($tag, true) as $id => $attributes) {
                foreach ($attributes as $one) {
                    $method = $one['method'] ?? 'reset';
                    $priority = $one['priority'] ?? 0;
                    if (!\is_string($method) || !\is_int($priority)) {
                        throw new InvalidArgumentException(\sprintf('Tag "%s" of service "%s": "method" is a name and "priority" a number.', $tag, $id));
                    }
                    $class = Classes::of($container, $id);
                    if (null !== $class && !Classes::isA($class, CompositeResetter::class) && class_exists($class) && !method_exists($class, $method)) {
                        throw new InvalidArgumentException(\sprintf('Service "%s" is tagged "%s", but has no method %s(). Name the one that resets it: { name: %s, method: ... }.', $id, $tag, $method, $tag));
                    }
                    $found[$id] ??= [$priority, $method];
                }
            }
        }
        $ids = array_keys($found);
        usort($ids, static fn (string $a, string $b) => $found[$b][0] <=> $found[$a][0]);

        return array_map(static fn (string $id) => [$id, $found[$id][1]], $ids);
    }

    /** Its arguments stay: the services that Symfony would reset, and how. */
    private function isolate(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition('services_resetter')) {
            return;
        }
        $container->getDefinition('services_resetter')->setClass(match (true) {
            interface_exists(InterfaceOf81::class) => ServicesResetterOf81::class,
            interface_exists(InterfaceOf72::class) => ServicesResetterOf72::class,
            default => ServicesResetterOf64::class,
        });
    }
}
