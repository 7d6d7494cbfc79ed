<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\HttpClient\Response\MockResponse;

/** What answers the HTTP client: the user that the request was sent for. */
final class EchoedHeaders
{
    /** @param array{headers: list<string>} $options */
    public function __invoke(string $method, string $url, array $options): MockResponse
    {
        foreach ($options['headers'] as $header) {
            if (str_starts_with($header, 'X-User: ')) {
                return new MockResponse(substr($header, 8));
            }
        }

        return new MockResponse('');
    }
}
