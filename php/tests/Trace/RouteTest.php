<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Trace;

use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Trace\RouteListener;
use Supercharger\Runtime\Trace\RouteTemplates;
use Symfony\Component\Config\Resource\FileResource;
use Symfony\Component\Filesystem\Filesystem;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Event\RequestEvent;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\Routing\Route;
use Symfony\Component\Routing\RouteCollection;
use Symfony\Component\Routing\RouterInterface;

final class RouteTest extends TestCase
{
    private string $folder;
    private RouteCollection $routes;
    private int $read = 0;

    protected function setUp(): void
    {
        $this->folder = getcwd().'/var/'.bin2hex(random_bytes(6));
        $this->routes = new RouteCollection();
        $this->routes->add('order', new Route('/orders/{id}', requirements: ['id' => '\d+']));
        $this->routes->add('long', new Route('/'.str_repeat('x', 200)));
    }

    protected function tearDown(): void
    {
        (new Filesystem())->remove($this->folder);
    }

    public function testARouteIsToldByItsTemplate(): void
    {
        $told = [];
        $listener = new RouteListener($this->templates(), static function (string $template) use (&$told): void {
            $told[] = $template;
        });
        $kernel = self::createStub(HttpKernelInterface::class);
        foreach (['order', 'order', 'long', 'nobody knows it', null, 5] as $route) {
            $request = Request::create('/orders/4711');
            $request->attributes->set('_route', $route);
            $listener->onRequest(new RequestEvent($kernel, $request, HttpKernelInterface::MAIN_REQUEST));
            $listener->onRequest(new RequestEvent($kernel, $request, HttpKernelInterface::SUB_REQUEST));
        }
        self::assertSame(['/orders/{id}', '/orders/{id}'], $told, 'a part of a request is no request, and what the server would refuse is not told');
        self::assertSame(1, $this->read, 'the router is asked once');
    }

    public function testAWarmCacheNeedsNoRouter(): void
    {
        self::assertSame([], $this->templates()->warmUp($this->folder));
        self::assertTrue($this->templates()->isOptional());
        self::assertSame('/orders/{id}', $this->templates()->of('order'));
        self::assertSame(1, $this->read);
    }

    public function testInDevelopmentAChangeIsSeen(): void
    {
        $file = $this->folder.'/routes';
        (new Filesystem())->dumpFile($file, '');
        touch($file, time() - 100);
        $this->routes->addResource(new FileResource($file));
        self::assertNull($this->templates(true)->of('new'));
        $this->routes->add('new', new Route('/new'));
        touch($file, time() + 100);
        clearstatcache();
        self::assertSame('/new', $this->templates(true)->of('new'));
    }

    public function testWithoutTheServerNothingIsTold(): void
    {
        $request = Request::create('/orders/1');
        $request->attributes->set('_route', 'order');
        RouteListener::withServer($this->templates())->onRequest(new RequestEvent(self::createStub(HttpKernelInterface::class), $request, HttpKernelInterface::MAIN_REQUEST));
        self::assertSame(1, $this->read);
    }

    private function templates(bool $debug = false): RouteTemplates
    {
        $router = self::createStub(RouterInterface::class);
        $router->method('getRouteCollection')->willReturnCallback(function (): RouteCollection {
            ++$this->read;

            return $this->routes;
        });

        return new RouteTemplates($router, $this->folder, $debug);
    }
}
