<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\HttpKernel\Log\Logger;

/**
 * The logger that Symfony brings keeps every record of a debug kernel for the profiler, and nobody empties it.
 *
 * By the time of the reset the profiler has had them. FrameworkBundle defines the service in a pass of its own, at -32.
 */
final class DebugLoggerPass implements CompilerPassInterface
{
    public function process(ContainerBuilder $container): void
    {
        if (!$container->hasDefinition(ResetterPass::REGISTRY) || !method_exists(Logger::class, 'clear')) {
            return;
        }
        foreach (Classes::services($container, Logger::class) as $id => $_) {
            $container->getDefinition($id)->addTag(ResetterPass::TAG, ['method' => 'clear', 'priority' => -64]);
        }
    }
}
