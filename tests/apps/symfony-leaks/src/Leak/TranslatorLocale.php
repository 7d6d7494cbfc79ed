<?php

// The locale of the translator.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Contracts\Translation\LocaleAwareInterface;
use Symfony\Contracts\Translation\TranslatorInterface;

#[Route('/translator-locale')]
final readonly class TranslatorLocale
{
    public function __construct(private TranslatorInterface $translator)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        \assert($this->translator instanceof LocaleAwareInterface);
        $before = $this->translator->getLocale();
        $this->translator->setLocale($request->query->getString('user'));

        return new JsonResponse('en' === $before ? null : $before);
    }
}
