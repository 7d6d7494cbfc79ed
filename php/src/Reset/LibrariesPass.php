<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Monolog\ResettableInterface;
use Symfony\Component\Cache\ResettableInterface as CacheReset;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

/** Libraries whose services hold what belongs to a request, without Symfony knowing. */
final class LibrariesPass implements CompilerPassInterface
{
    public function process(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition(ResetterPass::REGISTRY)) {
            return;
        }
        if ($container->has('request_stack')) {
            $container->register(RequestStackResetter::class, RequestStackResetter::class)
                ->setArguments([new Reference('request_stack')])
                ->addTag(ResetterPass::TAG, ['priority' => -256]);
        }
        $this->loggers($container);
        $this->taggedCaches($container);
        $this->twig($container);
        $this->router($container);
    }

    /** A logger resets its handlers and processors; MonologBundle tags its own. */
    private function loggers(ContainerBuilder $container): void
    {
        if (!interface_exists(ResettableInterface::class)) {
            return;
        }
        foreach (Classes::services($container, ResettableInterface::class) as $id => $class) {
            $definition = $container->findDefinition($id);
            if (!$definition->hasTag('kernel.reset')) {
                $definition->addTag('kernel.reset', ['method' => 'reset']);
            }
        }
    }

    /**
     * A pool with tags believes for 150 ms what it has read of them, whatever others have invalidated since: no request may hand that on to
     * the next. Symfony resets the pools themselves, and not what it puts around them for their tags.
     */
    private function taggedCaches(ContainerBuilder $container): void
    {
        foreach (array_keys($container->findTaggedServiceIds('cache.taggable')) as $id) {
            $definition = $container->getDefinition($id);
            $isReset = $definition->hasTag('kernel.reset') || $definition->hasTag('cache.pool');
            if (!$isReset && !$definition->isAbstract() && Classes::isA(Classes::of($container, $id) ?? '', CacheReset::class)) {
                $definition->addTag('kernel.reset', ['method' => 'reset']);
            }
        }
    }

    /** Globals are those that the container and the boot have set, whatever a request has set. */
    private function twig(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition('twig')) {
            return;
        }
        $twig = $container->getDefinition('twig');
        $container->register(TwigGlobals::class, TwigGlobals::class)
            ->setArguments([$twig->getConfigurator()])
            ->addTag(BootState::TAG)
            ->addTag(ResetterPass::TAG, ['priority' => -64]);
        $twig->setConfigurator([new Reference(TwigGlobals::class), 'configure']);
    }

    private function router(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition('router.request_context') || null !== $container->getDefinition('router.request_context')->getConfigurator()) {
            return;
        }
        $container->register(RouterParameters::class, RouterParameters::class)
            ->addTag(BootState::TAG)
            ->addTag(ResetterPass::TAG, ['priority' => -64]);
        $container->getDefinition('router.request_context')->setConfigurator([new Reference(RouterParameters::class), 'configure']);
    }
}
