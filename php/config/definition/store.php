<?php

declare(strict_types=1);

use Symfony\Component\Config\Definition\Configurator\DefinitionConfigurator;

return static function (DefinitionConfigurator $definition): void {
    $definition->rootNode()
        ->children()
            ->arrayNode('store')->info('The store of the server.')
                ->addDefaultsIfNotSet()->children()
                ->scalarNode('namespace')->info('Whose locks and limits these are, where several projects share the server: letters, digits, "_", "." and "-".')
                    ->defaultValue('')
                    ->validate()->ifTrue(static fn (mixed $name): bool => !is_string($name) || 1 !== preg_match('/^[A-Za-z0-9_.-]{0,64}$/D', $name))
                        ->thenInvalid('%s is no namespace: at most 64 letters, digits, "_", "." and "-".')->end()->end()
            ->end()->end()
        ->end();
};
