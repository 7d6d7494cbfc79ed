<?php

declare(strict_types=1);

namespace App;

use App\Leak\CompilerPass\Tenant;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;

final class Kernel extends BaseKernel implements CompilerPassInterface
{
    use MicroKernelTrait;

    /** Where a test asks for it, something is set that belongs to no request. */
    public function boot(): void
    {
        $begins = !$this->booted && false !== getenv('SET_AT_BOOT');
        parent::boot();
        if ($begins) {
            $beginning = $this->getContainer()->get(Beginning::class);
            \assert($beginning instanceof Beginning);
            $beginning->set();
        }
    }

    /** One page is handled without the parent, which never knows that there was a request. */
    public function handle(Request $request, int $type = HttpKernelInterface::MAIN_REQUEST, bool $catch = true): Response
    {
        if ('/own-handle' !== $request->getPathInfo()) {
            return parent::handle($request, $type, $catch);
        }
        $this->boot();

        return $this->getHttpKernel()->handle($request, $type, $catch);
    }

    public function process(ContainerBuilder $container): void
    {
        $container->register(Tenant::class, Tenant::class)->setFactory([Tenant::class, 'instance'])->setPublic(true);
    }

    public function getProjectDir(): string
    {
        return \dirname(__DIR__);
    }
}
