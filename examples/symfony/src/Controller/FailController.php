<?php

declare(strict_types=1);

namespace App\Controller;

use App\Diagnostics\TerminateFailure;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

final readonly class FailController
{
    #[Route('/fail', name: 'fail', methods: ['GET'])]
    public function now(): never
    {
        throw new \RuntimeException('deliberate failure');
    }

    /** Fails too, but only when the response has gone out: see {@see TerminateFailure}. */
    #[Route('/fail-terminate', name: TerminateFailure::ROUTE, methods: ['GET'])]
    public function afterResponse(): Response
    {
        return new Response('ok', headers: ['Content-Type' => 'text/plain']);
    }
}
