<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle;

use Supercharger\Runtime\Check\Checks;
use Supercharger\Runtime\Reset\DoctrinePass;
use Supercharger\Runtime\Reset\ResetRegistry;
use Supercharger\Runtime\Reset\ResetterPass;
use Supercharger\Runtime\Warmup\Warmup;
use Symfony\Component\Config\Definition\Configurator\DefinitionConfigurator;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\ContainerInterface;
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

    /** Settings that only the server can obey, and their names there. The doctor tells who has written them here. */
    public const array OF_THE_SERVER = [
        'telemetry.dir' => 'telemetry.dir',
        'endpoint.metrics' => 'admin.listen',
        'endpoint.status' => 'admin.listen',
        'endpoint.security.enabled' => 'guard.enabled',
        'endpoint.security.mode' => 'guard.mode',
        'endpoint.security.allow_cidr' => 'guard.allow',
        'endpoint.security.token' => 'guard.token',
        'endpoint.security.header' => 'guard.header',
        'endpoint.security.proxy_strict' => 'guard.proxy_strict',
        'worker.lifecycle.drain_second' => 'server.drain_timeout',
    ];

    /** Often enough for firewalls and servers that drop connections without traffic. */
    private const float PING_SECONDS = 30.0;

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

    /** Whatever loop serves the kernel: the engine calls the registry at every boundary. */
    public function boot(): void
    {
        $registry = $this->container?->get(ResetterPass::REGISTRY);
        if ($registry instanceof ResetRegistry && \function_exists('supercharger_on_reset')) {
            supercharger_on_reset($registry->resetAndReport(...), $this->extensionAlias);
        }
        if ($this->container?->has(DoctrinePass::CONNECTIONS) && \function_exists('supercharger_on_idle')) {
            // Made when the first tick comes: Doctrine may never be used.
            $container = $this->container;
            supercharger_on_idle(static fn () => $container->get(DoctrinePass::CONNECTIONS)->ping(), self::PING_SECONDS, 'doctrine.ping');
        }
        $this->prepare();
    }

    /**
     * In a worker: tells the server what the application depends on, and warms it up, before the worker counts as ready. A kernel that is
     * made anew for each request ({@see \Supercharger\Runtime\KernelRunner}) has been warmed up before.
     */
    private function prepare(): void
    {
        static $warm = false;
        if (!\function_exists('supercharger_worker') || 'worker' !== supercharger_worker()['mode']) {
            return;
        }
        $checks = $this->container?->get('runtime_supercharger.checks', ContainerInterface::NULL_ON_INVALID_REFERENCE);
        if ($checks instanceof Checks) {
            $checks->register();
        }
        $warmup = $this->container?->get('runtime_supercharger.warmup', ContainerInterface::NULL_ON_INVALID_REFERENCE);
        if ($warmup instanceof Warmup && !$warm) {
            $warm = true;
            $warmup->warmOnBoot();
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
        $builder->setParameter('runtime_supercharger.settings_of_the_server', Variables::written($this->written, array_keys(self::OF_THE_SERVER)));
        $builder->setParameter('runtime_supercharger_telemetry_dir', $config['telemetry']['dir']);
        foreach (self::PARTS as $part) {
            $file = $this->getPath().'/config/'.strtolower($part).'.php';
            if (is_file($file)) {
                $container->import($file);
            }
        }
    }
}
