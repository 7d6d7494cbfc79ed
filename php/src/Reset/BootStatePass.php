<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Symfony\Component\DependencyInjection\Argument\TaggedIteratorArgument;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;

/** Has what is put back after each request remembered before the first one. */
final class BootStatePass implements CompilerPassInterface
{
    /** Before everybody who could set something for a request. */
    private const int FIRST = 4096;

    public function process(ContainerBuilder $container): void
    {
        if (!$container->has('event_dispatcher') || [] === $container->findTaggedServiceIds(BootState::TAG)) {
            return;
        }
        $container->register(BootStateListener::class, BootStateListener::class)
            ->setArguments([new TaggedIteratorArgument(BootState::TAG)])
            ->addTag('kernel.event_listener', ['event' => 'kernel.request', 'method' => 'onRequest', 'priority' => self::FIRST]);
    }
}
