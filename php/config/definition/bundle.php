<?php

declare(strict_types=1);

use Symfony\Component\Config\Definition\Configurator\DefinitionConfigurator;

/* The settings whose names are a public contract: they are never renamed. Defaults also stand in Bundle\Variables. */
return static function (DefinitionConfigurator $definition): void {
    $definition->rootNode()
        ->children()
            ->arrayNode('telemetry')->addDefaultsIfNotSet()->children()
                ->scalarNode('dir')->info('Folder of snapshots; null is var/runtime/telemetry.')->defaultNull()->end()
            ->end()->end()
            ->arrayNode('endpoint')->addDefaultsIfNotSet()->children()
                ->booleanNode('metrics')->info('The server answers /metrics.')->defaultTrue()->end()
                ->booleanNode('status')->info('The server answers /status.')->defaultTrue()->end()
                ->arrayNode('security')->addDefaultsIfNotSet()->children()
                    ->booleanNode('enabled')->defaultTrue()->end()
                    ->enumNode('mode')->values(['allowlist_or_token', 'allowlist_only', 'require_token'])->defaultValue('allowlist_or_token')->end()
                    ->arrayNode('allow_cidr')->performNoDeepMerging()->scalarPrototype()->end()->defaultValue(['127.0.0.1/8', '::1/128'])->end()
                    ->scalarNode('token')->defaultNull()->end()
                    ->scalarNode('header')->cannotBeEmpty()->defaultValue('X-Runtime-Token')->end()
                    ->booleanNode('proxy_strict')->defaultTrue()->end()
                ->end()->end()
            ->end()->end()
            ->arrayNode('worker')->addDefaultsIfNotSet()->children()
                ->arrayNode('lifecycle')->addDefaultsIfNotSet()->children()
                    ->booleanNode('enabled')->defaultTrue()->end()
                    ->integerNode('max_request')->info('0 = off')->min(0)->defaultValue(1000)->end()
                    ->integerNode('max_memory_mb')->info('0 = off')->min(0)->defaultValue(512)->end()
                    ->integerNode('max_uptime_second')->info('0 = off')->min(0)->defaultValue(3600)->end()
                    ->integerNode('drain_second')->info('0 = off')->min(0)->defaultValue(10)->end()
                ->end()->end()
                ->arrayNode('reset')->addDefaultsIfNotSet()->children()
                    ->booleanNode('enabled')->info('Run the resetters after each request.')->defaultTrue()->end()
                    ->booleanNode('kernel')->info('Reset the services that Symfony resets.')->defaultTrue()->end()
                    ->booleanNode('doctrine')->info('Roll back, clear and reopen what Doctrine holds.')->defaultTrue()->end()
                    ->integerNode('doctrine_ping_second')->info('Ask a database connection for a sign of life before a request that comes so long after the last one; 0 = never.')->min(0)->defaultValue(1)->end()
                ->end()->end()
            ->end()->end()
        ->end();
};
