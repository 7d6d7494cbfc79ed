<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset\Services;

use Symfony\Component\DependencyInjection\ServicesResetterInterface;

/** From 8.1 on the type is an interface of DependencyInjection. */
final class ServicesResetterOf81 implements ServicesResetterInterface, Isolating
{
    use IsolatedServices;
}
