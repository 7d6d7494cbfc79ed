<?php

declare(strict_types=1);

namespace Bench\Symfony\Controller;

use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

require_once __DIR__.'/../../../serve.php';

/** Tells the bench how often this route was asked of this copy of the application, and by what PHP. */
final class StateController
{
    private static int $served = 0;

    #[Route('/served', name: 'served', methods: ['GET'])]
    public function __invoke(): Response
    {
        return new Response(\Bench\state(++self::$served), headers: ['Content-Type' => 'text/plain']);
    }
}
