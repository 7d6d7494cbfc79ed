<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Reset;

use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Reset\TwigGlobals;
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
}
