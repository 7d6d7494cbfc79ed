<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset\Services;

use Symfony\Component\HttpKernel\DependencyInjection\ServicesResetter;

/** Before 7.2 others name the class in their signatures, so this is one; it shares nothing with it. */
final class ServicesResetterOf64 extends ServicesResetter implements Isolating
{
    use IsolatedServices;
}
