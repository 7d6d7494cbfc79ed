<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

/**
 * The warmers that the package brings, for what the application has and its settings want.
 *
 * @internal
 */
final class OfferedWarmersPass implements CompilerPassInterface
{
    /** Setting => service that it warms, warmer. */
    private const array OFFERED = [
        'router' => ['router', RouterWarmer::class],
        'translator' => ['translator', TranslatorWarmer::class],
        'twig' => ['twig', TwigWarmer::class],
        'doctrine' => ['doctrine', DoctrineWarmer::class],
    ];

    public function process(ContainerBuilder $container): void
    {
        $settings = $container->hasParameter('runtime_supercharger') ? $container->getParameter('runtime_supercharger') : [];
        $wanted = \is_array($settings) && \is_array($settings['warmup'] ?? null) ? $settings['warmup'] : [];
        foreach (self::OFFERED as $setting => [$service, $class]) {
            if (true === ($wanted[$setting] ?? false) && $container->has($service)) {
                $container->register("runtime_supercharger.warmer.$setting", $class)
                    ->setArguments([new Reference($service)])
                    ->addTag('supercharger.warmer', ['priority' => 128]);
            }
        }
    }
}
