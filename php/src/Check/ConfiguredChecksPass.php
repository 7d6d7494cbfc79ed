<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Exception\InvalidArgumentException;
use Symfony\Component\DependencyInjection\Reference;

/**
 * The checks that the settings name: `runtime_supercharger.check`.
 *
 * @internal
 */
final class ConfiguredChecksPass implements CompilerPassInterface
{
    /** Kind => class, where the service of a short name is, what brings it. */
    private const array KINDS = [
        'database' => [DatabaseCheck::class, 'doctrine.dbal.%s_connection', 'doctrine/doctrine-bundle'],
        'cache' => [CacheCheck::class, 'cache.%s', 'symfony/cache'],
        'messenger' => [MessengerCheck::class, 'messenger.transport.%s', 'symfony/messenger'],
    ];

    /** @var array<string, true> names that are taken */
    private array $names = [];

    public function process(ContainerBuilder $container): void
    {
        $this->names = [];
        $settings = $container->hasParameter('runtime_supercharger') ? $container->getParameter('runtime_supercharger') : [];
        $wanted = \is_array($settings) && \is_array($settings['check'] ?? null) ? $settings['check'] : [];
        foreach ($wanted as $kind => $checks) {
            foreach (\is_array($checks) ? $checks : [] as $number => $check) {
                if (\is_array($check) && \is_string($check['of'] ?? null)) {
                    $this->add($container, (string) $kind, (string) $number, $check['of'], $check);
                }
            }
        }
    }

    /** @param array<mixed> $check */
    private function add(ContainerBuilder $container, string $kind, string $number, string $of, array $check): void
    {
        $least = $check['least_free_mb'] ?? 0;
        [$class, $arguments] = 'filesystem' === $kind
            ? [FilesystemCheck::class, [$of, (\is_int($least) ? $least : 0) * 1024 * 1024]]
            : [self::KINDS[$kind][0], [new Reference(self::service($container, $kind, $of))]];
        $short = 'filesystem' === $kind ? (basename($of) ?: $of) : $of;
        $name = $check['name'] ?? null;
        $made = 'default' === $of ? $kind : "$kind.$short";
        if (!\is_string($name) && isset($this->names[$made])) {
            // Two folders of the same name: a check would take the place of the other.
            $made .= '.'.$number;
        }
        $this->names[\is_string($name) ? $name : $made] = true;
        $container->register("runtime_supercharger.check.$kind.$number", $class)
            ->setArguments($arguments)
            ->addTag('supercharger.check', [
                'name' => \is_string($name) ? $name : $made,
                'required' => false !== ($check['required'] ?? true),
                'timeout' => $check['timeout'] ?? 0.0,
            ]);
    }

    private static function service(ContainerBuilder $container, string $kind, string $of): string
    {
        [, $pattern, $package] = self::KINDS[$kind];
        foreach ([\sprintf($pattern, $of), $of] as $id) {
            if ($container->has($id)) {
                return $id;
            }
        }

        throw new InvalidArgumentException(\sprintf('runtime_supercharger.check.%s names "%s", but there is neither a service "%s" nor one of that id. Is %s installed?', $kind, $of, \sprintf($pattern, $of), $package));
    }
}
