<?php

// A buffer of Monolog that is written with the next request.

declare(strict_types=1);

namespace App\Leak;

use Monolog\Handler\BufferHandler;
use Monolog\Handler\TestHandler;
use Monolog\Logger;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/monolog-buffer')]
final readonly class MonologBuffer
{
    public function __construct(private Logger $logger, private BufferHandler $buffer, private TestHandler $written)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $this->buffer->flush();
        $before = $this->written->getRecords()[0]->message ?? null;
        $this->written->clear();
        $this->logger->info($request->query->getString('user'));

        return new JsonResponse($before);
    }
}
