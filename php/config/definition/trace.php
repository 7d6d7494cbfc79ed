<?php

declare(strict_types=1);

use Symfony\Component\Config\Definition\Configurator\DefinitionConfigurator;

return static function (DefinitionConfigurator $definition): void {
    $definition->rootNode()
        ->children()
            ->arrayNode('trace')->info('What the application adds to the traces of the server, where that has otlp.endpoint.')
                ->addDefaultsIfNotSet()->children()
                ->booleanNode('controller')->info('A span for each controller.')->defaultTrue()->end()
                ->booleanNode('doctrine')->info('A span for each statement of SQL, without data.')->defaultTrue()->end()
                ->booleanNode('http_client')->info('Requests of HttpClient say which trace they belong to.')->defaultTrue()->end()
            ->end()->end()
        ->end();
};
