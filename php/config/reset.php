<?php

declare(strict_types=1);

namespace Symfony\Component\DependencyInjection\Loader\Configurator;

use Supercharger\Runtime\Reset\KernelResetter;
use Supercharger\Runtime\Reset\Lifecycle;
use Supercharger\Runtime\Reset\RequestStackResetter;
use Supercharger\Runtime\Reset\ResetRegistry;
use Supercharger\Runtime\Reset\ResetRegistryInterface;
use Supercharger\Runtime\Reset\ResetterPass;
use Symfony\Component\DependencyInjection\ContainerBuilder;

return static function (ContainerConfigurator $container, ContainerBuilder $builder): void {
    ['lifecycle' => $lifecycle, 'reset' => $settings] = $builder->getParameter('runtime_supercharger')['worker'];
    $services = $container->services();
    $services->set(ResetterPass::REGISTRY, ResetRegistry::class)
        ->public()
        ->args([[], [], $settings['enabled'], inline_service(Lifecycle::class)->args([$lifecycle])]);
    $services->alias(ResetRegistryInterface::class, ResetterPass::REGISTRY);

    // Those of the application come first: they may need what these take down.
    $services->set('runtime_supercharger.kernel_resetter', KernelResetter::class)
        ->args([service('kernel'), service('services_resetter')->nullOnInvalid(), $settings['kernel']])
        ->tag(ResetterPass::TAG, ['priority' => -512]);
};
