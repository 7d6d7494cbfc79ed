<?php

declare(strict_types=1);

namespace Symfony\Component\DependencyInjection\Loader\Configurator;

use Supercharger\Runtime\Warmup\Warmup;

return static function (ContainerConfigurator $container): void {
    $container->services()
        ->set('runtime_supercharger.warmup', Warmup::class)
            ->args([[]])
            ->public();
};
