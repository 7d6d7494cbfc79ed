<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Profiler;

use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Profiler\WorkerCollector;
use Supercharger\Runtime\Reset\ResetRegistry;
use Supercharger\Runtime\Reset\ResetterInterface;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Bundle\TwigBundle\TwigBundle;
use Symfony\Bundle\WebProfilerBundle\WebProfilerBundle;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\Profiler\Profiler;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;
use Twig\Environment;

final class PanelTest extends TestCase
{
    public function testWhatIsCollected(): void
    {
        $registry = new ResetRegistry(['quick' => self::resetter(0), 'slow' => self::resetter(2000, new \DomainException('bad'))]);
        $collector = new WorkerCollector($registry);
        $collector->collect(new Request(), new Response());
        self::assertNull($collector->getLastReset(), 'the first request of a worker');
        $registry->resetAll();
        $collector->collect(new Request(), new Response());
        self::assertSame(2, $collector->getLastReset()['resetCount'] ?? null);
        $times = $collector->getTimes();
        self::assertEqualsCanonicalizing(['slow', 'quick'], array_keys($times));
        self::assertGreaterThanOrEqual(end($times), reset($times), 'the slowest first');
        self::assertSame(['slow' => 'DomainException: bad'], $collector->getFailures());
        self::assertSame(\function_exists('supercharger_worker'), \is_array($collector->getWorker()));
        self::assertSame([0, []], [$collector->getDriftEvery(), $collector->getDrifts()], 'nobody looks on the command line');
        self::assertSame('supercharger', $collector->getName());
        self::assertIsArray(unserialize(serialize($collector))->getLastReset(), 'a profile is stored');
    }

    public function testThePanelIsShown(): void
    {
        $kernel = Compiled::booted(
            change: static function (ContainerBuilder $container): void {
                $container->loadFromExtension('web_profiler', ['toolbar' => true]);
                $container->loadFromExtension('twig', ['strict_variables' => true]);
                $container->setAlias('test.profiler', 'profiler')->setPublic(true);
                $container->setAlias('test.twig', 'twig')->setPublic(true);
            },
            more: [TwigBundle::class, WebProfilerBundle::class],
            framework: ['profiler' => ['collect' => true]],
            routes: static function (RoutingConfigurator $routes): void {
                $routes->add('_profiler', '/_profiler/{token}');
                foreach (['_profiler_home', '_profiler_search_bar', '_profiler_search', '_profiler_search_results', '_profiler_open_file'] as $name) {
                    $routes->add($name, '/'.$name);
                }
            },
        );
        try {
            $profiler = $kernel->getContainer()->get('test.profiler');
            $twig = $kernel->getContainer()->get('test.twig');
            self::assertInstanceOf(Profiler::class, $profiler);
            self::assertInstanceOf(Environment::class, $twig);
            $registry = $kernel->getContainer()->get('runtime_supercharger.reset_registry');
            self::assertInstanceOf(ResetRegistry::class, $registry);
            $registry->resetAll();
            self::assertNotNull($registry->last());
            $profile = $profiler->collect(new Request(), new Response());
            self::assertNotNull($profile);
            $collector = $profile->getCollector('supercharger');
            self::assertInstanceOf(WorkerCollector::class, $collector);
            $template = $twig->load($collector::getTemplate());
            $shown = $template->renderBlock('panel', ['collector' => $collector]).$template->renderBlock('menu', ['collector' => $collector]);
            self::assertStringContainsString('resetters in', $shown);
            self::assertStringContainsString('incarnation', $shown);
            self::assertStringContainsString('reset.drift', $shown, 'nobody looks');
            $found = ['kind' => 'static_property', 'why' => 'grows', 'what' => 'App\\A::$list', 'file' => '/app/A.php', 'line' => 7, 'detail' => '<in words>', 'route' => '/left', 'request_id' => 'r-1', 'leaks' => true];
            foreach ([['every' => 1, 'found' => []], ['every' => 1, 'found' => [$found, ['leaks' => false] + $found]]] as $drift) {
                (new \ReflectionProperty($collector, 'data'))->setValue($collector, ['drift' => $drift, 'worker' => ['pool' => 'default', 'slot' => 0, 'incarnation' => 1, 'requests' => 3]]);
                $shown = implode('', array_map(static fn (string $block) => $template->renderBlock($block, ['collector' => $collector]), ['panel', 'menu']));
                self::assertSame([] !== $drift['found'], str_contains($shown, '/app/A.php:7'), $shown);
                self::assertSame([] !== $drift['found'], str_contains($shown, 'label-status-warning'), $shown);
                self::assertStringNotContainsString('<in words>', $shown);
            }
            self::assertSame(1, $collector->getLeakCount());
        } finally {
            $kernel->remove();
        }
    }

    private static function resetter(int $microseconds, ?\Throwable $thrown = null): ResetterInterface
    {
        return new readonly class($microseconds, $thrown) implements ResetterInterface {
            public function __construct(private int $microseconds, private ?\Throwable $thrown)
            {
            }

            public function reset(): void
            {
                usleep($this->microseconds);
                if (null !== $this->thrown) {
                    throw $this->thrown;
                }
            }
        };
    }
}
