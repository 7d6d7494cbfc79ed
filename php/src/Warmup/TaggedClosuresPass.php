<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

use Symfony\Component\DependencyInjection\Argument\ServiceClosureArgument;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

/**
 * Gives a service the tagged ones as closures, so that one that cannot be made does not stop the others: the first argument is a list of
 * `{id, attributes of the tag, closure}`, higher priorities first.
 *
 * @internal
 */
final readonly class TaggedClosuresPass implements CompilerPassInterface
{
    /** @param list<string> $tags names of the tag, the canonical one first */
    public function __construct(private string $consumer, private array $tags)
    {
    }

    public function process(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition($this->consumer)) {
            return;
        }
        $found = [];
        foreach ($this->tags as $tag) {
            foreach ($container->findTaggedServiceIds($tag, true) as $id => $attributes) {
                $found[$id] ??= array_merge(...array_reverse(array_map(self::attributes(...), $attributes)));
            }
        }
        // uasort() is stable: what has the same priority stays in the order of its definition.
        uasort($found, static fn (array $one, array $other) => self::priority($other) <=> self::priority($one));
        $list = [];
        foreach ($found as $id => $attributes) {
            unset($attributes['priority']);
            $list[] = [$id, $attributes, new ServiceClosureArgument(new Reference($id))];
        }
        $container->getDefinition($this->consumer)->setArgument(0, $list);
    }

    /** @return array<string, mixed> */
    private static function attributes(mixed $attributes): array
    {
        return \is_array($attributes) ? array_filter($attributes, \is_string(...), \ARRAY_FILTER_USE_KEY) : [];
    }

    /** @param array<string, mixed> $attributes */
    private static function priority(array $attributes): int
    {
        return is_numeric($attributes['priority'] ?? null) ? (int) $attributes['priority'] : 0;
    }
}
