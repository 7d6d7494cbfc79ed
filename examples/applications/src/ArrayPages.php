<?php

declare(strict_types=1);

namespace App;

/** The pages, for who takes an array and gives one. */
final class ArrayPages
{
    private int $served = 0;

    /**
     * @param array<string, mixed> $request
     *
     * @return array{status: int, headers: array<string, string|list<string>>, body: string|iterable<string>}
     */
    public function answer(array $request): array
    {
        ++$this->served;
        $page = static fn (string|iterable $body, int $status = 200, array $headers = []): array => [
            'status' => $status, 'headers' => $headers + ['Content-Type' => 'text/plain'], 'body' => $body,
        ];

        return match ($request['path']) {
            '/' => $page('hello'),
            '/teapot' => $page('short and stout', 418),
            '/headers' => $page('look', 200, ['X-Twice' => ['a', 'b'], 'Set-Cookie' => ['one=1; Path=/', 'two=2; Path=/'], 'Content-Type' => 'text/x-own']),
            '/echo' => $page(json_encode([
                'method' => $request['method'],
                'query' => $request['query'],
                'form' => $request['post'],
                'cookie' => $request['cookie'],
                'in' => $request['headers']['x-in'] ?? '',
                'length' => \strlen($request['body']),
                'id' => $request['id'],
            ], \JSON_THROW_ON_ERROR), 200, ['Content-Type' => 'application/json']),
            '/upload' => $page(json_encode(self::upload($request['files']['file'] ?? null), \JSON_THROW_ON_ERROR)),
            '/count' => $page((string) $this->served),
            '/stream' => $page(self::pieces((string) ($request['query']['wait'] ?? ''))),
            '/fail' => throw new \LogicException('deliberate failure'),
            default => $page('no such page', 404),
        };
    }

    /** @return array{name: string, size: int, sha256: string} */
    private static function upload(mixed $file): array
    {
        if (!\is_array($file) || \UPLOAD_ERR_OK !== $file['error']) {
            return ['name' => '', 'size' => 0, 'sha256' => ''];
        }

        return ['name' => $file['name'], 'size' => $file['size'], 'sha256' => (string) hash_file('sha256', $file['tmp_name'])];
    }

    /** Pieces that leave as they come: the second one when there is a file of that name. @return \Generator<string> */
    public static function pieces(string $file): \Generator
    {
        yield "first\n";
        for ($end = microtime(true) + 30; !file_exists($file) && microtime(true) < $end; clearstatcache()) {
            usleep(2000);
        }
        yield "second\n";
    }
}
