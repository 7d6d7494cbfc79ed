<?php

declare(strict_types=1);

namespace App;

use Supercharger\Runtime\Bundle\SuperchargerRuntimeBundle;
use Supercharger\Runtime\Store\StorePass;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

use function Symfony\Component\DependencyInjection\Loader\Configurator\service;

/** A Symfony application that keeps everything it can in the store, by Symfony's own settings. */
final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function registerBundles(): iterable
    {
        yield new FrameworkBundle();
        yield new SuperchargerRuntimeBundle();
    }

    private function configureContainer(ContainerConfigurator $container): void
    {
        $limiter = ['policy' => 'fixed_window', 'limit' => 100, 'interval' => '1 hour', 'lock_factory' => null, 'storage_service' => StorePass::STORAGE];
        $container->extension('framework', [
            'secret' => 'of a test',
            'http_method_override' => false,
            'handle_all_throwables' => true,
            'php_errors' => ['log' => true],
            'property_info' => false,
            'cache' => ['app' => 'cache.adapter.supercharger', 'pools' => ['tagged' => ['adapter' => 'cache.adapter.supercharger', 'tags' => true]]],
            'lock' => 'supercharger://',
            'rate_limiter' => ['stock' => $limiter, 'api' => $limiter],
        ]);
        $container->services()->set(Controller::class)
            ->args([
                service('cache.app'), service('tagged'), service('lock.factory'), service('limiter.stock'), service('supercharger.limiter.api'),
            ])
            ->tag('controller.service_arguments')
            ->public();
    }

    private function configureRoutes(RoutingConfigurator $routes): void
    {
        foreach (['hit', 'cached', 'forget', 'stock', 'exact', 'locked', 'pay', 'must', 'broken', 'streamed', 'dies', 'refused'] as $path) {
            $routes->add($path, '/'.$path)->controller([Controller::class, $path]);
        }
        $routes->add('byroute', '/byroute')->controller([Controller::class, 'plain'])->defaults(['_idempotent' => true]);
    }

    public function getProjectDir(): string
    {
        return \dirname(__DIR__);
    }
}
