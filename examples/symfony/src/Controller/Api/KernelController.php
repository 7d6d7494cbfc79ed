<?php

declare(strict_types=1);

namespace App\Controller\Api;

use App\Diagnostics\RequestCounter;
use App\Diagnostics\Surroundings;
use App\Kernel;
use Symfony\Component\DependencyInjection\Attribute\Autowire;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\Routing\Attribute\Route;

/**
 * Shows whether the application lives on between requests, and whether it is reset in between.
 */
final readonly class KernelController
{
    #[Route('/api/kernel', name: 'api_kernel', methods: ['GET'])]
    public function __invoke(
        #[Autowire(service: 'kernel')] Kernel $kernel,
        RequestCounter $counter,
        Surroundings $surroundings,
    ): JsonResponse {
        return new JsonResponse([
            'kernel_object_id' => spl_object_id($kernel),
            'boots' => $kernel->boots(),
            'constructions' => Kernel::constructions(),
            'reset_count' => $counter->resets->resets(),
            'requests' => $counter->requests(),
            'symfony' => $surroundings->symfonyVersion(),
            'php' => $surroundings->phpVersion(),
            'worker' => $surroundings->worker(),
            'opcache' => $surroundings->isOpcacheEnabled(),
        ]);
    }
}
