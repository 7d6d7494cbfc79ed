<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Twig\Environment;

/** Remembers which globals Twig was configured and booted with, and takes back what requests have set since. */
final class TwigGlobals implements ResetterInterface, BootState
{
    private ?Environment $twig = null;

    /** @var array<string, mixed> */
    private array $globals = [];

    /** @param callable-array|callable-string|null $before the configurator of TwigBundle or of the application */
    public function __construct(private readonly array|string|null $before = null)
    {
    }

    public function configure(Environment $twig): void
    {
        if (null !== $this->before) {
            ($this->before)($twig);
        }
        $this->twig = $twig;
        $this->remember();
    }

    public function remember(): void
    {
        if (null !== $this->twig) {
            // What was set after the first template, which a warmer may have used, is kept in another place.
            $globals = self::globalsOf($this->twig);
            $this->globals = array_intersect_key(self::laterOf($this->twig), $globals) + $globals;
        }
    }

    public function reset(): void
    {
        if (null === $this->twig) {
            return;
        }
        $this->tell($this->twig);
        $globals = $this->globals;
        (function () use ($globals): void {
            $this->globals = $globals;
        })->bindTo($this->twig, Environment::class)();
        // What was set after the first template is kept in another place, which is made anew from these.
        $this->twig->resetGlobals();
        TwigBeginning::of($this->twig);
    }

    private function tell(Environment $twig): void
    {
        $left = self::globalsOf($twig);
        $left = array_intersect_key(self::laterOf($twig), $left) + $left;
        foreach ($left as $name => $value) {
            if (!\array_key_exists($name, $this->globals) || $this->globals[$name] !== $value) {
                Drift::putBack('twig_global', $name, 'set by a request');
            }
        }
    }

    /** @return array<string, mixed> those that were set one by one; the ones of extensions are Twig's own matter */
    private static function globalsOf(Environment $twig): array
    {
        return (fn (): array => $this->globals)->bindTo($twig, Environment::class)();
    }

    /** @return array<string, mixed> all of them, of those that were set after the first template the latest */
    private static function laterOf(Environment $twig): array
    {
        return (fn (): ?array => $this->resolvedGlobals ?? null)->bindTo($twig, Environment::class)() ?? [];
    }
}
