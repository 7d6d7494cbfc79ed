<?php

declare(strict_types=1);

namespace App\Controller;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\StreamedResponse;
use Symfony\Component\Routing\Attribute\Route;

final readonly class StreamController
{
    private const int PIECES = 5;
    private const int LONGEST_DELAY_MS = 10_000;

    /** Five lines that leave one by one, `delay_ms` apart (default 200). */
    #[Route('/stream', name: 'stream', methods: ['GET'])]
    public function __invoke(Request $request): StreamedResponse
    {
        $delayMs = max(0, min(self::LONGEST_DELAY_MS, $request->query->getInt('delay_ms', 200)));

        return new StreamedResponse(static function () use ($delayMs): void {
            for ($piece = 1; $piece <= self::PIECES; ++$piece) {
                if ($piece > 1) {
                    usleep($delayMs * 1000);
                }
                echo "piece $piece\n";
                flush();
            }
        }, headers: ['Content-Type' => 'text/plain', 'Cache-Control' => 'no-cache']);
    }
}
