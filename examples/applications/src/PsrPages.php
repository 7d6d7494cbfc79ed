<?php

declare(strict_types=1);

namespace App;

use Nyholm\Psr7\Response;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Message\UploadedFileInterface;

/** The pages, for who takes a PSR-7 request and gives a PSR-7 response. */
final class PsrPages
{
    private int $served = 0;

    public function answer(ServerRequestInterface $request): ResponseInterface
    {
        ++$this->served;

        return match ($request->getUri()->getPath()) {
            '/' => new Response(200, ['Content-Type' => 'text/plain'], 'hello'),
            '/teapot' => new Response(418, [], 'short and stout'),
            '/headers' => (new Response(200, ['X-Twice' => ['a', 'b'], 'Content-Type' => 'text/x-own'], 'look'))
                ->withAddedHeader('Set-Cookie', 'one=1; Path=/')->withAddedHeader('Set-Cookie', 'two=2; Path=/'),
            '/echo' => self::json([
                'method' => $request->getMethod(),
                'query' => $request->getQueryParams(),
                'form' => $request->getParsedBody() ?? [],
                'cookie' => $request->getCookieParams(),
                'in' => $request->getHeaderLine('X-In'),
                'length' => \strlen((string) $request->getBody()),
                'id' => $request->getHeaderLine('X-Request-Id') ?: $request->getServerParams()['HTTP_X_REQUEST_ID'],
            ]),
            '/upload' => self::json(self::upload($request->getUploadedFiles()['file'] ?? null)),
            '/count' => new Response(200, [], (string) $this->served),
            // A stream that is read piece by piece: a large file, or another server's answer.
            '/large' => new Response(200, [], fopen(__FILE__, 'r')),
            '/fail' => throw new \LogicException('deliberate failure'),
            default => new Response(404, [], 'no such page'),
        };
    }

    /** @return array{name: string, size: int, sha256: string} */
    private static function upload(mixed $file): array
    {
        if (!$file instanceof UploadedFileInterface || \UPLOAD_ERR_OK !== $file->getError()) {
            return ['name' => '', 'size' => 0, 'sha256' => ''];
        }

        return [
            'name' => (string) $file->getClientFilename(),
            'size' => (int) $file->getSize(),
            'sha256' => hash('sha256', $file->getStream()->getContents()),
        ];
    }

    /** @param array<string, mixed> $values */
    private static function json(array $values): Response
    {
        return new Response(200, ['Content-Type' => 'application/json'], json_encode($values, \JSON_THROW_ON_ERROR));
    }
}
