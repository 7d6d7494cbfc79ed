<?php

declare(strict_types=1);

namespace Symfony\Component\DependencyInjection\Loader\Configurator;

use Supercharger\Runtime\Check\Checks;

return static function (ContainerConfigurator $container): void {
    $container->services()
        ->set('runtime_supercharger.checks', Checks::class)
            ->args([[]])
            ->public();
};
