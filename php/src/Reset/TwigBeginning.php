<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Twig\Environment;
use Twig\ExtensionSet;

/**
 * Twig takes globals and extensions of new names until it has used its first template. A worker has used one long ago, and code that is
 * right where each request begins with a new Twig would fail; so each request finds it as at the beginning.
 *
 * Compiled templates and extensions stay. What is made again is the object of each template.
 */
final class TwigBeginning
{
    public static function of(Environment $twig): void
    {
        $extensions = (fn (): mixed => $this->extensionSet ?? null)->bindTo($twig, Environment::class)();
        if (!$extensions instanceof ExtensionSet || !$extensions->isInitialized()
            || !property_exists(ExtensionSet::class, 'initialized') || !property_exists(ExtensionSet::class, 'runtimeInitialized')
            || !property_exists(Environment::class, 'loadedTemplates')) {
            return;
        }
        (function (): void {
            $this->initialized = $this->runtimeInitialized = false;
        })->bindTo($extensions, ExtensionSet::class)();
        // A template that is there already would not tell Twig that it is in use.
        (function (): void {
            $this->loadedTemplates = [];
        })->bindTo($twig, Environment::class)();
        $twig->resetGlobals();
    }
}
