<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset\Services;

use Symfony\Component\HttpKernel\DependencyInjection\ServicesResetterInterface;

/** From 7.2 to 8.0 the type is an interface of HttpKernel. */
final class ServicesResetterOf72 implements ServicesResetterInterface, Isolating
{
    use IsolatedServices;
}
