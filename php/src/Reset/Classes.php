<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Symfony\Component\DependencyInjection\ChildDefinition;
use Symfony\Component\DependencyInjection\ContainerBuilder;

/** Classes of services while the container is compiled. */
final class Classes
{
    /** The class of a service or of the one it is derived from; null if it cannot be told. */
    public static function of(ContainerBuilder $container, string $id): ?string
    {
        $definition = $container->findDefinition($id);
        while (null === $definition->getClass() && $definition instanceof ChildDefinition && $container->has($definition->getParent())) {
            $definition = $container->findDefinition($definition->getParent());
        }
        $class = $container->getParameterBag()->resolveValue($definition->getClass() ?? (str_contains($id, '\\') ? $id : null));

        return \is_string($class) ? $class : null;
    }

    /**
     * Services of one of these classes, without those that are abstract, synthetic or made anew each time.
     *
     * @return iterable<string, string> class by service
     */
    public static function services(ContainerBuilder $container, string ...$classes): iterable
    {
        foreach ($container->getDefinitions() as $id => $definition) {
            if ($definition->isAbstract() || $definition->isSynthetic() || !$definition->isShared()) {
                continue;
            }
            $class = self::of($container, $id);
            foreach ($classes as $wanted) {
                if (null !== $class && self::isA($class, $wanted)) {
                    yield $id => $class;
                    break;
                }
            }
        }
    }

    /** Frameworks define services whose classes extend what is not installed, and drop them later: such a one is nothing. */
    public static function isA(string $class, string $wanted): bool
    {
        try {
            return is_a($class, $wanted, true);
        } catch (\Error) {
            return false;
        }
    }
}
