<?php

declare(strict_types=1);

namespace Symfony\Component\DependencyInjection\Loader\Configurator;

use Supercharger\Runtime\Idempotency\IdempotencyListener;

return static function (ContainerConfigurator $container): void {
    $container->services()
        ->set('supercharger.idempotency_listener', IdempotencyListener::class)
        ->args([service('security.token_storage')->nullOnInvalid()])
        ->tag('kernel.event_subscriber');
};
