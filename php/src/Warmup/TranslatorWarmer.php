<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

use Symfony\Contracts\Translation\TranslatorInterface;

/** Loads the catalogue of the default locale. */
final readonly class TranslatorWarmer implements WarmerInterface
{
    public function __construct(private TranslatorInterface $translator)
    {
    }

    public function warm(): void
    {
        $this->translator->trans('runtime_supercharger.warmup');
    }
}
