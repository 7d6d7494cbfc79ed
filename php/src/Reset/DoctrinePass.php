<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Doctrine\DBAL\Connection;
use Doctrine\ORM\EntityManager;
use Doctrine\Persistence\ObjectManager;
use Symfony\Component\DependencyInjection\Argument\IteratorArgument;
use Symfony\Component\DependencyInjection\ChildDefinition;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\ContainerInterface;
use Symfony\Component\DependencyInjection\Reference;

/** Finds the connections and managers of an application, whoever has defined them. */
final class DoctrinePass implements CompilerPassInterface
{
    public const string CONNECTIONS = 'runtime_supercharger.doctrine_connections';
    /** Followed by the service of a manager. */
    private const string FILTERS = 'runtime_supercharger.doctrine_filters.';
    public const string RESETTER = 'runtime_supercharger.doctrine_resetter';

    public function process(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition(ResetterPass::REGISTRY) || !class_exists(Connection::class)) {
            return;
        }
        $connections = self::used($container, Connection::class);
        $managers = interface_exists(ObjectManager::class) ? self::used($container, ObjectManager::class) : [];
        if ([] === $connections && [] === $managers) {
            return;
        }
        /** @var array{worker: array{reset: array{doctrine: bool|string, doctrine_ping_second: int|string}}} $settings */
        $settings = $container->getParameter('runtime_supercharger');
        $settings = $settings['worker']['reset'];
        $container->register(self::CONNECTIONS, DoctrineConnections::class)
            ->setPublic(true)
            ->setArguments([new IteratorArgument($connections), $settings['doctrine_ping_second']])
            ->addTag('kernel.event_listener', ['event' => 'kernel.request', 'method' => 'onRequest', 'priority' => 4096])
            ->addTag('kernel.event_listener', ['event' => 'kernel.exception', 'method' => 'onException', 'priority' => 4096]);
        $container->register(self::RESETTER, DoctrineResetter::class)
            ->setArguments([
                new IteratorArgument($connections),
                new IteratorArgument($managers),
                new Reference(self::CONNECTIONS),
                new Reference('doctrine', ContainerInterface::NULL_ON_INVALID_REFERENCE),
                $settings['doctrine'],
            ])
            // After the services of the application: some of them write when they are reset.
            ->addTag(ResetterPass::TAG, ['priority' => -1024]);
        self::filters($container, array_keys($managers), $settings['doctrine']);
    }

    /** @param list<string> $managers */
    private static function filters(ContainerBuilder $container, array $managers, bool|string $enabled): void
    {
        foreach ($managers as $id) {
            $class = Classes::of($container, $id) ?? '';
            // A decorator's filters are those of the manager inside.
            if (!Classes::isA($class, EntityManager::class)) {
                continue;
            }
            for ($of = $definition = $container->getDefinition($id); null === $of->getConfigurator() && $of instanceof ChildDefinition && $container->has($of->getParent());) {
                $of = $container->findDefinition($of->getParent());
            }
            $container->register(self::FILTERS.$id, DoctrineFilters::class)
                ->setArguments([$of->getConfigurator(), $enabled])
                ->addTag(BootState::TAG)
                ->addTag(ResetterPass::TAG, ['priority' => -1024]);
            $definition->setConfigurator([new Reference(self::FILTERS.$id), 'configure']);
        }
    }

    /** @return array<string, Reference> */
    private static function used(ContainerBuilder $container, string $class): array
    {
        $references = [];
        foreach (Classes::services($container, $class) as $id => $_) {
            $references[$id] = new Reference($id, ContainerInterface::IGNORE_ON_UNINITIALIZED_REFERENCE);
        }

        return $references;
    }
}
