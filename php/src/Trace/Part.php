<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace;

use Doctrine\DBAL\Driver\Middleware;
use Supercharger\Runtime\Bundle\BundlePart;
use Supercharger\Runtime\Trace\Doctrine\SpanMiddleware;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Contracts\HttpClient\HttpClientInterface;

/** Names routes, where there is a router, and adds to a trace what the application does. */
final class Part implements BundlePart, CompilerPassInterface
{
    /** After or before everybody else. */
    private const int FAR = 4096;

    public static function build(ContainerBuilder $container): void
    {
        // Before DoctrineBundle's own pass, which collects what is tagged.
        $container->addCompilerPass(new self(), PassConfig::TYPE_BEFORE_OPTIMIZATION, 64);
    }

    public function process(ContainerBuilder $container): void
    {
        if ($container->has('router')) {
            self::nameRoutes($container);
        }
        if (!$container->hasParameter('runtime_supercharger')) {
            return;
        }
        /** @var array{trace: array{controller: bool, doctrine: bool, http_client: bool}} $settings */
        $settings = $container->getParameter('runtime_supercharger');
        $container->register(Spans::class, Spans::class)->setFactory([Spans::class, 'ofServer']);
        if ($settings['trace']['controller'] && $container->has('event_dispatcher')) {
            self::tellControllers($container);
        }
        if ($settings['trace']['doctrine'] && interface_exists(Middleware::class)) {
            $container->register(SpanMiddleware::class, SpanMiddleware::class)
                ->setArguments([new Reference(Spans::class)])
                // Next to the database: what another middleware does on its own is seen as well.
                ->addTag('doctrine.middleware', ['priority' => self::FAR]);
        }
        $client = $container->has('http_client.transport') ? 'http_client.transport' : 'http_client';
        if ($settings['trace']['http_client'] && interface_exists(HttpClientInterface::class) && $container->has($client)) {
            $container->register(ContextClient::class, ContextClient::class)
                ->setDecoratedService($client)
                ->setArguments([new Reference('.inner'), new Reference(Spans::class)]);
        }
    }

    private static function nameRoutes(ContainerBuilder $container): void
    {
        $container->register(RouteTemplates::class, RouteTemplates::class)
            ->setArguments([new Reference('router'), '%kernel.cache_dir%', '%kernel.debug%'])
            ->addTag('kernel.cache_warmer');
        $container->register(RouteListener::class, RouteListener::class)
            ->setFactory([RouteListener::class, 'withServer'])
            ->setArguments([new Reference(RouteTemplates::class)])
            // The router's own listener has 32.
            ->addTag('kernel.event_listener', ['event' => 'kernel.request', 'method' => 'onRequest', 'priority' => 31]);
    }

    private static function tellControllers(ContainerBuilder $container): void
    {
        $listener = $container->register(ControllerListener::class, ControllerListener::class)
            ->setArguments([new Reference(Spans::class)])
            ->addTag('kernel.event_listener', ['event' => 'kernel.controller_arguments', 'method' => 'onArguments', 'priority' => -self::FAR])
            ->addTag('kernel.event_listener', ['event' => 'kernel.exception', 'method' => 'onException', 'priority' => self::FAR]);
        foreach (['kernel.view', 'kernel.response'] as $event) {
            $listener->addTag('kernel.event_listener', ['event' => $event, 'method' => 'onReturn', 'priority' => self::FAR]);
        }
    }
}
