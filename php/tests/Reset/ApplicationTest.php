<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Reset;

use Monolog\Handler\BufferHandler;
use Monolog\Handler\TestHandler;
use Monolog\Logger;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Reset\ResetRegistry;
use Supercharger\Runtime\Reset\ResetReport;
use Supercharger\Runtime\Reset\ResetterPass;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Bundle\SecurityBundle\SecurityBundle;
use Symfony\Bundle\TwigBundle\TwigBundle;
use Symfony\Component\Cache\Adapter\ArrayAdapter;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\RequestStack;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\KernelInterface;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;
use Symfony\Component\Security\Core\Authentication\Token\NullToken;
use Symfony\Component\Security\Core\Authentication\Token\Storage\TokenStorageInterface;
use Symfony\Contracts\Service\ResetInterface;
use Twig\Environment;

/** What the registry does in an application of Symfony's, with the libraries it may have. */
final class ApplicationTest extends TestCase
{
    private static ?Compiled $kernel = null;

    private static function boot(): Compiled
    {
        return Compiled::booted(
            change: static function (ContainerBuilder $container): void {
                $container->loadFromExtension('twig', ['globals' => ['site' => 'configured'], 'strict_variables' => true]);
                $container->loadFromExtension('security', [
                    'providers' => ['nobody' => ['memory' => null]],
                    'firewalls' => ['main' => ['security' => false]],
                ]);
                $container->register('failing', Failing::class)->addTag('kernel.reset', ['method' => 'reset'])->setPublic(true);
                $container->register('keeping', Keeping::class)
                    ->addTag('kernel.reset', ['method' => 'reset'])->addTag('kernel.reset', ['method' => 'other', 'on_invalid' => 'ignore'])
                    ->addTag('kernel.reset', ['method' => 'more'])->setPublic(true);
                $container->register('controller', Controlling::class)->setArguments([new Reference('keeping')])
                    ->addTag('controller.service_arguments')->setPublic(true);
                $container->register('handler', TestHandler::class)->setPublic(true);
                $container->register('buffer', BufferHandler::class)->setArguments([new Reference('handler')]);
                $container->register('log', Logger::class)->setArguments(['app', [new Reference('buffer')]])->setPublic(true);
                $container->register('memory', ArrayAdapter::class)->setAutoconfigured(true)->setPublic(true);
                foreach (['twig', 'request_stack', 'security.token_storage', 'translator', 'services_resetter', 'cache.app'] as $id) {
                    $container->setAlias("test.$id", $id)->setPublic(true);
                }
            },
            more: [TwigBundle::class, SecurityBundle::class],
            framework: ['default_locale' => 'en', 'translator' => ['fallbacks' => ['en']]],
            routes: static function (RoutingConfigurator $routes): void {
                $routes->add('keep', '/keep')->controller('controller::keep');
                $routes->add('fail', '/fail')->controller('controller::fail');
            },
        );
    }

    public static function tearDownAfterClass(): void
    {
        self::$kernel?->remove();
        self::$kernel = null;
    }

    public function testTheServicesAreResetOnceAndNotAgainByTheKernel(): void
    {
        $keeping = $this->service('keeping', Keeping::class);
        $kernel = $this->kernel();
        for ($round = 1; $round <= 3; ++$round) {
            $kernel->handle(Request::create('/keep'));
            self::assertSame('of a request', $keeping->kept);
            self::assertSame([], $this->reset()->errors);
            self::assertNull($keeping->kept);
            self::assertSame($round, $keeping->resets, 'the kernel has nothing left to do when the next request comes');
            self::assertSame($round, $keeping->more, 'a second method is called too');
        }
    }

    public function testAFailureIsReportedAndKeepsNobodyFromTheirReset(): void
    {
        $failing = $this->service('failing', Failing::class);
        $keeping = $this->service('keeping', Keeping::class);
        $this->kernel()->handle(Request::create('/keep'));
        $failing->fails = true;
        $report = $this->reset();
        self::assertSame(['DomainException: it fails'], $report->errors);
        self::assertSame(['failing'], array_keys($report->failures));
        self::assertNull($keeping->kept);
        self::assertArrayHasKey('keeping', $report->times);

        // Symfony's own callers, such as the worker of Messenger, still get it thrown, after all have been reset.
        $keeping->kept = 'again';
        try {
            $this->service('test.services_resetter', ResetInterface::class)->reset();
            self::fail('nothing was thrown');
        } catch (\DomainException) {
            self::assertNull($keeping->kept);
        }
        $failing->fails = false;
        $this->reset();
    }

    public function testTheRequestStackIsEmptyAlsoAfterAnException(): void
    {
        $stack = $this->service('test.request_stack', RequestStack::class);
        $stack->push(Request::create('/left/behind'));
        $this->kernel()->handle(Request::create('/fail'));
        $stack->push(Request::create('/left/behind/too'));
        self::assertNotNull($stack->getCurrentRequest());
        $this->reset();
        self::assertNull($stack->getCurrentRequest());
    }

    public function testTheUserIsForgotten(): void
    {
        $tokens = $this->service('test.security.token_storage', TokenStorageInterface::class);
        $this->kernel()->handle(Request::create('/keep'));
        $tokens->setToken(new NullToken());
        $this->reset();
        self::assertNull($tokens->getToken());
    }

    public function testTwigHasTheGlobalsItWasConfiguredWith(): void
    {
        $twig = $this->service('test.twig', Environment::class);
        $this->kernel()->handle(Request::create('/keep'));
        $template = $twig->createTemplate('{{ site }} {{ user is defined ? user : "nobody" }}');
        self::assertSame('configured nobody', $template->render());
        $twig->addGlobal('site', 'of a request');
        self::assertSame('of a request nobody', $template->render());
        $this->reset();
        self::assertSame('configured nobody', $template->render());
        $twig->addGlobal('site', 'of another');
        $this->reset();
        self::assertSame('configured nobody', $template->render());
    }

    public function testTheTranslatorSpeaksTheDefaultLanguage(): void
    {
        $translator = $this->service('test.translator', \Symfony\Contracts\Translation\LocaleAwareInterface::class);
        $request = Request::create('/keep');
        $request->setLocale('de');
        $request->attributes->set('_locale', 'de');
        $this->kernel()->handle($request);
        $this->reset();
        self::assertSame('en', $translator->getLocale());
    }

    public function testTheLoggerFlushesItsBuffers(): void
    {
        $log = $this->service('log', Logger::class);
        $handler = $this->service('handler', TestHandler::class);
        $this->kernel()->handle(Request::create('/keep'));
        $log->warning('of this request');
        self::assertFalse($handler->hasWarningRecords());
        $handler->setSkipReset(true);
        $this->reset();
        self::assertTrue($handler->hasWarningThatContains('of this request'));
    }

    public function testWhatACacheKeepsInMemoryIsForgottenAndWhatIsSharedStays(): void
    {
        $memory = $this->service('memory', ArrayAdapter::class);
        $shared = $this->service('test.cache.app', \Symfony\Contracts\Cache\CacheInterface::class);
        $this->kernel()->handle(Request::create('/keep'));
        $memory->get('key', static fn () => 'of a request');
        $shared->get('key', static fn () => 'shared');
        $this->reset();
        self::assertSame('anew', $memory->get('key', static fn () => 'anew'));
        self::assertSame('shared', $shared->get('key', static fn () => 'lost'));
    }

    private function reset(): ResetReport
    {
        return $this->service(ResetterPass::REGISTRY, ResetRegistry::class)->resetAll();
    }

    private function kernel(): KernelInterface
    {
        return self::$kernel ??= self::boot();
    }

    /**
     * @template T of object
     *
     * @param class-string<T> $class
     *
     * @return T
     */
    private function service(string $id, string $class): object
    {
        $service = $this->kernel()->getContainer()->get($id);
        self::assertInstanceOf($class, $service);

        return $service;
    }
}

final class Failing
{
    public bool $fails = false;

    public function reset(): void
    {
        if ($this->fails) {
            throw new \DomainException('it fails');
        }
    }
}

final class Keeping
{
    public ?string $kept = null;
    public int $resets = 0;
    public int $more = 0;

    public function reset(): void
    {
        $this->kept = null;
        ++$this->resets;
    }

    public function more(): void
    {
        ++$this->more;
    }
}

final readonly class Controlling
{
    public function __construct(private Keeping $keeping)
    {
    }

    public function keep(): Response
    {
        $this->keeping->kept = 'of a request';

        return new Response('kept');
    }

    public function fail(): Response
    {
        throw new \LogicException('deliberate');
    }
}
