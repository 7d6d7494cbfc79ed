<?php

// A service that gives its HTTP client the user of the request.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Contracts\HttpClient\HttpClientInterface;

#[Route('/http-client-options')]
final class HttpClientOptions
{
    public function __construct(private HttpClientInterface $client)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->client->request('GET', 'http://api.test/')->getContent();
        $this->client = $this->client->withOptions(['headers' => ['X-User' => $request->query->getString('user')]]);

        return new JsonResponse('' === $before ? null : $before);
    }
}
