<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

use Symfony\Component\DependencyInjection\ChildDefinition;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\Lock\Store\StoreFactory;

/**
 * Lets Symfony's own settings name the store: `supercharger://` for locks, and a lock for every limiter whose state lies in it.
 *
 * For each such limiter there is also one that decides in the store itself, as service `supercharger.limiter.NAME` and by autowiring
 * `ExactLimiterFactory $nameLimiter`.
 */
final class StorePass implements CompilerPassInterface
{
    public const string STORAGE = 'supercharger.limiter.storage';
    public const string LOCKS = 'supercharger.lock.factory';

    public function process(ContainerBuilder $container): void
    {
        $namespace = self::namespace($container);
        foreach (['supercharger.lock.store', self::STORAGE] as $id) {
            if ($container->hasDefinition($id)) {
                $container->getDefinition($id)->setArgument('$namespace', $namespace);
            }
        }
        foreach ($container->getDefinitions() as $definition) {
            // Also those whose address is a variable, which is known later only.
            if ([StoreFactory::class, 'createStore'] === $definition->getFactory()) {
                $definition->setFactory([LockStore::class, 'create'])->setArgument('$namespace', $namespace);
            }
        }
        foreach ($container->getDefinitions() as $id => $definition) {
            if ($definition instanceof ChildDefinition && 'limiter' === $definition->getParent()) {
                $this->limiter($container, substr($id, \strlen('limiter.')), $definition, $namespace);
            }
        }
    }

    private static function namespace(ContainerBuilder $container): string
    {
        $settings = $container->hasParameter('runtime_supercharger') ? $container->getParameter('runtime_supercharger') : [];
        $store = \is_array($settings) ? $settings['store'] ?? [] : [];
        $namespace = \is_array($store) ? $store['namespace'] ?? '' : '';

        return \is_string($namespace) ? $namespace : '';
    }

    private function limiter(ContainerBuilder $container, string $name, ChildDefinition $limiter, string $namespace): void
    {
        $arguments = $limiter->getArguments();
        if (self::STORAGE !== (string) ($arguments['index_1'] ?? '') || !$container->hasDefinition(self::LOCKS)) {
            return;
        }
        // Read, decide, write: without a lock that all share more would pass than may. Whoever names one of his own has it.
        $locks = $arguments['index_2'] ?? null;
        if (!$locks instanceof Reference || 'lock.factory' === (string) $locks) {
            $limiter->replaceArgument(2, new Reference(self::LOCKS));
        }
        $config = $arguments['index_0'];
        if (!\is_array($config) || 'no_limit' === ($config['policy'] ?? null)) {
            return;
        }
        $container->register($id = "supercharger.limiter.$name", ExactLimiterFactory::class)
            ->setFactory([ExactLimiterFactory::class, 'fromConfig'])
            ->setArguments([$config, $namespace]);
        $container->registerAliasForArgument($id, ExactLimiterFactory::class, $name.'.limiter');
    }
}
