<?php

declare(strict_types=1);

use Symfony\Component\Config\Definition\Configurator\DefinitionConfigurator;

return static function (DefinitionConfigurator $definition): void {
    $definition->rootNode()
        ->children()
            ->arrayNode('warmup')->info('What a worker loads before it counts as ready, where the application has it.')
                ->addDefaultsIfNotSet()->children()
                ->booleanNode('router')->defaultTrue()->end()
                ->booleanNode('translator')->defaultTrue()->end()
                ->booleanNode('twig')->defaultTrue()->end()
                ->booleanNode('doctrine')->defaultTrue()->end()
            ->end()->end()
        ->end();
};
