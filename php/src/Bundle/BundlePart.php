<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle;

use Symfony\Component\DependencyInjection\ContainerBuilder;

/**
 * What a sub-namespace of the package adds to a container besides its services file: tags by interface, compiler passes.
 *
 * The class is called Part and stands at the top of its sub-namespace ({@see SuperchargerRuntimeBundle::PARTS}).
 */
interface BundlePart
{
    /** Called once, before any extension is loaded. */
    public static function build(ContainerBuilder $container): void;
}
