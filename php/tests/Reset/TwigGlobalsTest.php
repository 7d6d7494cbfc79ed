<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Reset;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Reset\TwigGlobals;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Twig\Environment;
use Twig\Loader\ArrayLoader;

final class TwigGlobalsTest extends TestCase
{
    public function testGlobalsAreThoseOfTheConfigurationWheneverTheyWereSet(): void
    {
        $before = new class {
            public int $calls = 0;

            public function configure(Environment $twig): void
            {
                ++$this->calls;
            }
        };
        $globals = new TwigGlobals([$before, 'configure']);
        $globals->reset();
        $twig = new Environment(new ArrayLoader(['page' => '{{ site }} {{ user|default("nobody") }}']));
        $twig->addGlobal('site', 'configured');
        $globals->configure($twig);
        self::assertSame(1, $before->calls, 'what TwigBundle configures is configured');

        // Before anything is rendered, and after.
        $twig->addGlobal('user', 'of a request');
        $globals->reset();
        self::assertSame('configured nobody', $twig->render('page'));
        $twig->addGlobal('site', 'of a request');
        self::assertSame('of a request nobody', $twig->render('page'));
        $globals->reset();
        self::assertSame('configured nobody', $twig->render('page'));
    }

    public function testAClassOfTheApplicationsOwnIsReset(): void
    {
        $globals = new TwigGlobals();
        $twig = new OwnTwig(new ArrayLoader(['page' => '{{ user|default("nobody") }}']));
        $globals->configure($twig);
        $twig->addGlobal('user', 'of a request');
        $globals->reset();
        self::assertSame('nobody', $twig->render('page'));
    }

    /** @param array{Reference|class-string, string}|string|Reference|null $configurator */
    #[DataProvider('configurators')]
    public function testWhateverConfiguresTwigStillDoes(array|string|Reference|null $configurator): void
    {
        OwnTwig::$configured = 0;
        $container = Compiled::bundleAlone([], static function (ContainerBuilder $container) use ($configurator): void {
            $container->register('own', OwnConfigurator::class);
            $container->register('loader', ArrayLoader::class);
            $container->register('twig', OwnTwig::class)->setArguments([new Reference('loader')])->setConfigurator($configurator)->setPublic(true);
        });
        self::assertInstanceOf(OwnTwig::class, $container->get('twig'));
        self::assertSame(null === $configurator ? 0 : 1, OwnTwig::$configured);
    }

    /** @return iterable<string, array{array{Reference|class-string, string}|string|Reference|null}> */
    public static function configurators(): iterable
    {
        yield 'none' => [null];
        yield 'a service and its method' => [[new Reference('own'), '__invoke']];
        yield 'an invokable service' => [new Reference('own')];
        yield 'a class and its method' => [[OwnTwig::class, 'count']];
        yield 'a function' => [OwnTwig::class.'::count'];
        yield 'a function by its name' => [__NAMESPACE__.'\\configured'];
    }
}

function configured(Environment $twig): void
{
    OwnTwig::count($twig);
}

final class OwnTwig extends Environment
{
    public static int $configured = 0;

    public static function count(Environment $twig): void
    {
        ++self::$configured;
    }
}

final readonly class OwnConfigurator
{
    public function __invoke(Environment $twig): void
    {
        OwnTwig::count($twig);
    }
}
