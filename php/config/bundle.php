<?php

declare(strict_types=1);

namespace Symfony\Component\DependencyInjection\Loader\Configurator;

use Supercharger\Runtime\Bundle\Console\DoctorCommand;
use Supercharger\Runtime\Bundle\Console\StatusCommand;
use Supercharger\Runtime\Bundle\Console\ValidateCommand;
use Supercharger\Runtime\Bundle\VariableProcessor;
use Symfony\Component\Console\Command\Command;

return static function (ContainerConfigurator $container): void {
    $services = $container->services();
    $services->set('runtime_supercharger.variables', VariableProcessor::class)
        ->tag('container.env_var_processor');

    if (class_exists(Command::class)) {
        foreach ([StatusCommand::class, ValidateCommand::class] as $command) {
            $services->set($command)->args([param('runtime_supercharger')])->tag('console.command');
        }
        $services->set(DoctorCommand::class)
            ->args([param('runtime_supercharger'), param('kernel.debug'), [], [], param('runtime_supercharger.settings_of_the_server')])
            ->tag('console.command');
    }
};
