<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace;

use Symfony\Contracts\HttpClient\HttpClientInterface;
use Symfony\Contracts\HttpClient\ResponseInterface;
use Symfony\Contracts\HttpClient\ResponseStreamInterface;
use Symfony\Contracts\Service\ResetInterface;

/** Tells those whom the application asks which trace its question belongs to: header `traceparent` (W3C Trace Context). */
final class ContextClient implements HttpClientInterface, ResetInterface
{
    public function __construct(private HttpClientInterface $client, private readonly Spans $spans)
    {
    }

    /** @param array<string, mixed> $options */
    public function request(string $method, string $url, array $options = []): ResponseInterface
    {
        $context = $this->spans->context();
        if ('' !== $context) {
            $options['headers'] = self::with($context, $options['headers'] ?? []);
        }

        return $this->client->request($method, $url, $options);
    }

    public function stream(ResponseInterface|iterable $responses, ?float $timeout = null): ResponseStreamInterface
    {
        return $this->client->stream($responses, $timeout);
    }

    /** @param array<string, mixed> $options */
    public function withOptions(array $options): static
    {
        $clone = clone $this;
        $clone->client = $this->client->withOptions($options);

        return $clone;
    }

    public function reset(): void
    {
        if ($this->client instanceof ResetInterface) {
            $this->client->reset();
        }
    }

    /** @return mixed the headers, with the context if they have none of their own */
    private static function with(string $context, mixed $headers): mixed
    {
        if (!is_iterable($headers)) {
            return $headers;
        }
        $headers = iterator_to_array($headers);
        foreach ($headers as $name => $value) {
            $name = \is_string($name) ? $name : strtok(\is_string($value) ? $value : '', ':');
            if (\is_string($name) && 0 === strcasecmp($name, 'traceparent')) {
                return $headers;
            }
        }
        $state = $_SERVER['HTTP_TRACESTATE'] ?? '';

        return $headers + ['traceparent' => $context] + (\is_string($state) && '' !== $state ? ['tracestate' => $state] : []);
    }
}
