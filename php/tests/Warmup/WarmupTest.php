<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Warmup;

use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Tests\Compiled;
use Supercharger\Runtime\Warmup\RouterWarmer;
use Supercharger\Runtime\Warmup\TwigWarmer;
use Supercharger\Runtime\Warmup\WarmerInterface;
use Supercharger\Runtime\Warmup\Warmup;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\Routing\Exception\ResourceNotFoundException;
use Symfony\Component\Routing\RouterInterface;
use Twig\Environment;
use Twig\Extension\AbstractExtension;
use Twig\Loader\ArrayLoader;

final class WarmupTest extends TestCase
{
    public function testWarmersRunOnceInOrderAndOneThatFailsStopsNobody(): void
    {
        $seen = new \ArrayObject();
        $container = Compiled::bundleAlone(change: static function (ContainerBuilder $container) use ($seen): void {
            $container->register('seen', \ArrayObject::class)->setSynthetic(true)->setPublic(true);
            $add = static fn (string $name) => $container->register($name, Noting::class)->setArguments([new Reference('seen'), $name]);
            $add('last')->addTag('supercharger.warmer', ['priority' => -5]);
            $add('found')->setAutoconfigured(true);
            $add('broken')->addTag('supercharger.warmer', ['priority' => 10])->setProperty('fails', true);
            $container->register('unbuildable', Unbuildable::class)->addTag('supercharger.warmer', ['priority' => 7]);
            $container->register('useless', \stdClass::class)->addTag('runtime.warm', ['priority' => 6]);
            $add('alias')->addTag('runtime.warm', ['priority' => 5]);
            $add('both')->addTag('runtime.warm')->addTag('supercharger.warmer', ['priority' => 3]);
        });
        $container->set('seen', $seen);
        $warmup = $container->get('runtime_supercharger.warmup');
        self::assertInstanceOf(Warmup::class, $warmup);
        $warmup->warmOnBoot();
        $expected = ['broken', 'alias', 'both', 'found', 'last'];
        self::assertSame($expected, $seen->getArrayCopy());
        $warmup->warmOnBoot();
        self::assertSame($expected, $seen->getArrayCopy(), 'the second call does nothing');
    }

    public function testThePackageBringsWarmersForWhatTheApplicationHas(): void
    {
        $ids = static function (array $config, bool $has): array {
            $container = Compiled::bundleAlone($config, static function (ContainerBuilder $container) use ($has): void {
                if ($has) {
                    $container->register('router', \stdClass::class)->setPublic(true);
                    $container->register('twig', \stdClass::class)->setPublic(true);
                }
            });
            /** @var list<array{string}> $list */
            $list = $container->getDefinition('runtime_supercharger.warmup')->getArgument(0);

            return array_column($list, 0);
        };
        self::assertSame([], $ids([], false));
        self::assertEqualsCanonicalizing(['runtime_supercharger.warmer.router', 'runtime_supercharger.warmer.twig'], $ids([], true));
        self::assertSame(['runtime_supercharger.warmer.twig'], $ids(['warmup' => ['router' => false]], true));
    }

    public function testTheRouterIsLoadedWhetherItHasARouteOrNot(): void
    {
        $router = $this->createMock(RouterInterface::class);
        $router->expects(self::once())->method('match')->willThrowException(new ResourceNotFoundException());
        (new RouterWarmer($router))->warm();
    }

    public function testTwigStartsItsExtensions(): void
    {
        $twig = new Environment(new ArrayLoader());
        $extension = new class extends AbstractExtension {
            public int $started = 0;

            public function getFilters(): array
            {
                ++$this->started;

                return [];
            }
        };
        $twig->addExtension($extension);
        (new TwigWarmer($twig))->warm();
        self::assertSame(1, $extension->started);
        // The first request may still add what it likes.
        $twig->addGlobal('late', 1);
        self::assertSame(1, $twig->getGlobals()['late']);
    }

    public function testAWholeKernelCompilesAndBootsWithIt(): void
    {
        $kernel = Compiled::booted();
        self::assertTrue($kernel->getContainer()->has('runtime_supercharger.warmup'));
        self::assertTrue($kernel->getContainer()->has('runtime_supercharger.checks'));
        $warmup = $kernel->getContainer()->get('runtime_supercharger.warmup');
        self::assertInstanceOf(Warmup::class, $warmup);
        $warmup->warmOnBoot();
        $kernel->remove();
    }
}

final class Noting implements WarmerInterface
{
    public bool $fails = false;

    /** @param \ArrayObject<int, string> $seen */
    public function __construct(private readonly \ArrayObject $seen, private readonly string $name)
    {
    }

    public function warm(): void
    {
        $this->seen[] = $this->name;
        if ($this->fails) {
            throw new \RuntimeException('deliberately');
        }
    }
}

final class Unbuildable implements WarmerInterface
{
    public function __construct()
    {
        throw new \RuntimeException('cannot be made');
    }

    public function warm(): void
    {
    }
}
