<?php

// A processor of Monolog that is added with each request.

declare(strict_types=1);

namespace App\Leak;

use Monolog\Handler\BufferHandler;
use Monolog\Handler\TestHandler;
use Monolog\LogRecord;
use Monolog\Logger;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;

#[Route('/monolog-processor')]
final readonly class MonologProcessor
{
    public function __construct(private Logger $logger, private BufferHandler $buffer, private TestHandler $written)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $this->logger->info('a page is read');
        $this->buffer->flush();
        $before = $this->written->getRecords()[0]->extra['user'] ?? null;
        $this->written->clear();
        $user = $request->query->getString('user');
        $this->logger->pushProcessor(static fn (LogRecord $record): LogRecord => $record->with(extra: ['user' => $user]));

        return new JsonResponse($before);
    }
}
