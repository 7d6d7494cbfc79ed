<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Profiler;

use Supercharger\Runtime\Bundle\BundlePart;
use Supercharger\Runtime\Reset\ResetterPass;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

/** A panel of its own, where there is a profiler. */
final class Part implements BundlePart, CompilerPassInterface
{
    public static function build(ContainerBuilder $container): void
    {
        // Before the framework's pass, which collects the collectors.
        $container->addCompilerPass(new self(), PassConfig::TYPE_BEFORE_OPTIMIZATION, 64);
    }

    public function process(ContainerBuilder $container): void
    {
        if ($container->hasDefinition('profiler') && $container->hasDefinition(ResetterPass::REGISTRY)) {
            $container->register(WorkerCollector::class, WorkerCollector::class)
                ->setArguments([new Reference(ResetterPass::REGISTRY)])
                ->addTag('data_collector', ['id' => 'supercharger', 'template' => WorkerCollector::getTemplate()]);
        }
    }
}
