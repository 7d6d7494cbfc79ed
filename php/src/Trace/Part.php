<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace;

use Supercharger\Runtime\Bundle\BundlePart;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

/** Names routes, where there is a router. */
final class Part implements BundlePart, CompilerPassInterface
{
    public static function build(ContainerBuilder $container): void
    {
        $container->addCompilerPass(new self());
    }

    public function process(ContainerBuilder $container): void
    {
        if (!$container->has('router')) {
            return;
        }
        $container->register(RouteTemplates::class, RouteTemplates::class)
            ->setArguments([new Reference('router'), '%kernel.cache_dir%', '%kernel.debug%'])
            ->addTag('kernel.cache_warmer');
        $container->register(RouteListener::class, RouteListener::class)
            ->setFactory([RouteListener::class, 'withServer'])
            ->setArguments([new Reference(RouteTemplates::class)])
            // The router's own listener has 32.
            ->addTag('kernel.event_listener', ['event' => 'kernel.request', 'method' => 'onRequest', 'priority' => 31]);
    }
}
