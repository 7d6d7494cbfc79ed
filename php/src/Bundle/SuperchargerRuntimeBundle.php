<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle;

use Symfony\Component\Config\Definition\Configurator\DefinitionConfigurator;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Bundle\AbstractBundle;

/**
 * Brings the package into a Symfony application. Without a line of configuration it is complete.
 *
 * Each part of the package has a file of services, `config/PART.php`, one of settings, `config/definition/PART.php`, and a
 * class `PART\Part` for the rest; a part that lacks one of them does without.
 */
final class SuperchargerRuntimeBundle extends AbstractBundle
{
    /** Sub-namespaces in the order in which they are loaded. */
    public const array PARTS = ['Bundle', 'Reset', 'Warmup', 'Check', 'Store', 'Idempotency', 'App', 'Monolog', 'Trace', 'Profiler'];

    protected string $extensionAlias = 'runtime_supercharger';

    /** @var list<array<mixed>> what the application has written, before defaults */
    private array $written = [];

    public function getPath(): string
    {
        return \dirname(__DIR__, 2);
    }

    public function configure(DefinitionConfigurator $definition): void
    {
        $definition->import($this->getPath().'/config/definition/*.php');
    }

    public function build(ContainerBuilder $container): void
    {
        foreach (self::PARTS as $part) {
            $class = "Supercharger\\Runtime\\{$part}\\Part";
            if (is_subclass_of($class, BundlePart::class)) {
                $class::build($container);
            }
        }
    }

    public function prependExtension(ContainerConfigurator $container, ContainerBuilder $builder): void
    {
        $this->written = array_values($builder->getExtensionConfig($this->extensionAlias));
    }

    /** @param array<string, mixed> $config */
    public function loadExtension(array $config, ContainerConfigurator $container, ContainerBuilder $builder): void
    {
        $config = Variables::lay($config, $this->written);
        $config['telemetry']['dir'] ??= Variables::DEFAULTS['RUNTIME_TELEMETRY_DIR'];
        $builder->setParameter('runtime_supercharger', $config);
        $builder->setParameter('runtime_supercharger_telemetry_dir', $config['telemetry']['dir']);
        foreach (self::PARTS as $part) {
            $file = $this->getPath().'/config/'.strtolower($part).'.php';
            if (is_file($file)) {
                $container->import($file);
            }
        }
    }
}
