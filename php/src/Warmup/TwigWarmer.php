<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

use Supercharger\Runtime\Reset\TwigBeginning;
use Twig\Environment;

/** Has Twig start its extensions, which the first template would wait for. */
final readonly class TwigWarmer implements WarmerInterface
{
    public function __construct(private Environment $twig)
    {
    }

    public function warm(): void
    {
        $this->twig->createTemplate('')->render();
        TwigBeginning::of($this->twig);
    }
}
