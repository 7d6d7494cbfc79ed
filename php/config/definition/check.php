<?php

declare(strict_types=1);

use Symfony\Component\Config\Definition\Builder\ArrayNodeDefinition;
use Symfony\Component\Config\Definition\Builder\TreeBuilder;
use Symfony\Component\Config\Definition\Configurator\DefinitionConfigurator;

/* A list of what is to be asked: a text each, or `of` with more. */
$list = static function (string $kind, string $info): ArrayNodeDefinition {
    $node = (new TreeBuilder($kind))->getRootNode();
    assert($node instanceof ArrayNodeDefinition);
    $entry = $node->info($info)->beforeNormalization()->castToArray()->end()->arrayPrototype()
        ->beforeNormalization()->ifString()->then(static fn (string $of) => ['of' => $of])->end()->children();
    $entry->scalarNode('of')->isRequired()->cannotBeEmpty();
    $entry->scalarNode('name')->info('For /ready and metrics; made of both if none.')->defaultNull();
    $entry->booleanNode('required')->info('Not ready while it fails; otherwise a warning.')->defaultTrue();
    $entry->floatNode('timeout')->info('Seconds; 0: what the server says.')->min(0)->defaultValue(0.0);
    if ('filesystem' === $kind) {
        $entry->integerNode('least_free_mb')->min(0)->defaultValue(0);
    }

    return $node;
};

return static function (DefinitionConfigurator $definition) use ($list): void {
    $definition->rootNode()
        ->children()
            ->arrayNode('check')->info('What the application depends on: readiness checks.')
                ->addDefaultsIfNotSet()
                ->append($list('database', 'Connections of Doctrine by name, or services.'))
                ->append($list('cache', 'Pools: `app` is the service cache.app.'))
                ->append($list('messenger', 'Transports by name.'))
                ->append($list('filesystem', 'Folders to be written to.'))
            ->end()
        ->end();
};
