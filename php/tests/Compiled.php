<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests;

use Supercharger\Runtime\Bundle\SuperchargerRuntimeBundle;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\Config\Loader\LoaderInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\ParameterBag\EnvPlaceholderParameterBag;
use Symfony\Component\Filesystem\Filesystem;
use Symfony\Component\HttpKernel\Bundle\BundleInterface;
use Symfony\Component\HttpKernel\Kernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

/** A kernel with the bundle, compiled into a folder of its own. */
final class Compiled extends Kernel
{
    use MicroKernelTrait;

    private static int $count = 0;

    private readonly string $folder;

    /**
     * @param array<string, mixed>                      $config  under runtime_supercharger
     * @param (\Closure(ContainerBuilder): void)|null   $change  services of the test, before the container is compiled
     * @param list<class-string<BundleInterface>>       $more besides the framework's and ours
     * @param array<string, mixed>                      $framework under framework
     * @param (\Closure(RoutingConfigurator): void)|null $routes
     */
    public function __construct(
        private readonly array $config = [],
        private readonly ?\Closure $change = null,
        private readonly array $more = [],
        private readonly array $framework = [],
        private readonly ?\Closure $routes = null,
        string $environment = 'test',
        bool $debug = false,
    ) {
        $this->folder = getcwd().'/var/kernel/'.getmypid().'-'.++self::$count;
        parent::__construct($environment, $debug);
    }

    /**
     * The bundle in a container without the framework: quick, and what an application without it has.
     *
     * @param array<string, mixed>                    $config under runtime_supercharger
     * @param (\Closure(ContainerBuilder): void)|null $change
     */
    public static function bundleAlone(array $config = [], ?\Closure $change = null): ContainerBuilder
    {
        $container = new ContainerBuilder(new EnvPlaceholderParameterBag([
            'kernel.environment' => 'test', 'kernel.debug' => false, 'kernel.build_dir' => '/nowhere',
            'kernel.cache_dir' => '/nowhere', 'kernel.project_dir' => (string) getcwd(),
        ]));
        $bundle = new SuperchargerRuntimeBundle();
        $extension = $bundle->getContainerExtension();
        \assert(null !== $extension);
        $container->registerExtension($extension);
        $bundle->build($container);
        $container->loadFromExtension('runtime_supercharger', $config);
        ($change ?? static fn () => null)($container);
        $container->compile(true);

        return $container;
    }

    public static function booted(mixed ...$arguments): self
    {
        $kernel = new self(...$arguments);
        $kernel->boot();

        return $kernel;
    }

    public function registerBundles(): iterable
    {
        yield new FrameworkBundle();
        foreach ($this->more as $bundle) {
            yield new $bundle();
        }
        yield new SuperchargerRuntimeBundle();
    }

    public function getProjectDir(): string
    {
        return (string) getcwd();
    }

    public function getCacheDir(): string
    {
        return $this->folder.'/cache';
    }

    public function getLogDir(): string
    {
        return $this->folder.'/log';
    }

    public function registerContainerConfiguration(LoaderInterface $loader): void
    {
        $loader->load(function (ContainerBuilder $container): void {
            $container->loadFromExtension('framework', $this->framework + [
                'secret' => 'none',
                'test' => true,
                'http_method_override' => false,
                'handle_all_throwables' => true,
                'php_errors' => ['log' => false],
                'router' => ['resource' => 'kernel::loadRoutes', 'type' => 'service', 'utf8' => true],
            ]);
            $container->register('kernel', self::class)
                ->setSynthetic(true)->setPublic(true)->addTag('routing.route_loader');
            if ([] !== $this->config) {
                $container->loadFromExtension('runtime_supercharger', $this->config);
            }
            ($this->change ?? static fn () => null)($container);
        });
    }

    public function loadRoutes(LoaderInterface $loader): \Symfony\Component\Routing\RouteCollection
    {
        $file = __FILE__;
        $collection = new \Symfony\Component\Routing\RouteCollection();
        $phpLoader = $loader->getResolver()->resolve($file, 'php');
        \assert($phpLoader instanceof \Symfony\Component\Routing\Loader\PhpFileLoader);
        $configurator = new RoutingConfigurator($collection, $phpLoader, $file, $file, $this->getEnvironment());
        ($this->routes ?? static fn () => null)($configurator);

        return $collection;
    }

    public function remove(): void
    {
        $this->shutdown();
        (new Filesystem())->remove($this->folder);
    }
}
