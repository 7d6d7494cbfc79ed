<?php

declare(strict_types=1);

namespace App\Controller\Api;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

/**
 * Answers with what it was asked, after a pause in which other requests run. Nothing of theirs may show.
 */
final readonly class EchoController
{
    private const int LONGEST_SLEEP_MS = 10_000;

    #[Route('/api/echo', name: 'api_echo', methods: ['GET', 'POST'])]
    public function __invoke(Request $request): JsonResponse
    {
        $sessionId = null;
        if ($request->hasPreviousSession()) {
            $request->getSession()->start();
            $sessionId = $request->getSession()->getId();
        }

        usleep(1000 * max(0, min(self::LONGEST_SLEEP_MS, $request->query->getInt('sleep_ms'))));

        if (!self::agreesWithPhp($request)) {
            return new JsonResponse(
                ['error' => 'The superglobals are not those of this request.'],
                Response::HTTP_INTERNAL_SERVER_ERROR,
            );
        }

        return new JsonResponse([
            'method' => $request->getMethod(),
            'query' => (object) $request->query->all(),
            'post' => (object) $request->request->all(),
            'cookies' => (object) $request->cookies->all(),
            'headers' => ['x-nonce' => $request->headers->get('x-nonce')],
            'session_id' => $sessionId,
            'request_id' => $_SERVER['HTTP_X_REQUEST_ID'] ?? null,
        ]);
    }

    /** Symfony copied the superglobals when the request began; PHP must still hold the same. */
    private static function agreesWithPhp(Request $request): bool
    {
        return $_GET === $request->query->all()
            && $_POST === $request->request->all()
            && $_COOKIE === $request->cookies->all()
            && ($_SERVER['HTTP_X_NONCE'] ?? null) === $request->headers->get('x-nonce');
    }
}
