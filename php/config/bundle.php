<?php

declare(strict_types=1);

namespace Symfony\Component\DependencyInjection\Loader\Configurator;

use Supercharger\Runtime\Bundle\VariableProcessor;

return static function (ContainerConfigurator $container): void {
    $container->services()
        ->set('runtime_supercharger.variables', VariableProcessor::class)
            ->tag('container.env_var_processor');
};
