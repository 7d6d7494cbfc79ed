<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Monolog;

use Monolog\Logger;
use Monolog\Processor\ProcessorInterface;
use Supercharger\Runtime\Bundle\BundlePart;
use Supercharger\Runtime\Reset\Classes;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\ContainerInterface;
use Symfony\Component\DependencyInjection\Reference;

/** Gives every logger the processor: through MonologBundle if there is one, else one by one. */
final class Part implements BundlePart, CompilerPassInterface
{
    public static function build(ContainerBuilder $container): void
    {
        // Before MonologBundle's own pass, which collects what is tagged.
        $container->addCompilerPass(new self(), PassConfig::TYPE_BEFORE_OPTIMIZATION, 64);
    }

    public function process(ContainerBuilder $container): void
    {
        if (!interface_exists(ProcessorInterface::class)) {
            return;
        }
        $processor = $container->register(WorkerProcessor::class, WorkerProcessor::class)
            ->setFactory([WorkerProcessor::class, 'withServer'])
            ->setArguments([new Reference('request_stack', ContainerInterface::NULL_ON_INVALID_REFERENCE)]);
        if ($container->hasExtension('monolog')) {
            $processor->addTag('monolog.processor');

            return;
        }
        foreach (Classes::services($container, Logger::class) as $id => $_) {
            $container->findDefinition($id)->addMethodCall('pushProcessor', [new Reference(WorkerProcessor::class)]);
        }
    }
}
