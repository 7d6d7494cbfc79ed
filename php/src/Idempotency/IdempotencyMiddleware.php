<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Idempotency;

use Psr\Http\Message\ResponseFactoryInterface;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Message\StreamFactoryInterface;
use Psr\Http\Message\StreamInterface;
use Psr\Http\Message\UploadedFileInterface;
use Psr\Http\Server\MiddlewareInterface;
use Psr\Http\Server\RequestHandlerInterface;

/** The same for applications of PSR-15: in front of what is to be carried out once, behind what may refuse a request. */
final class IdempotencyMiddleware implements MiddlewareInterface
{
    /** @param (\Closure(ServerRequestInterface): string)|null $principal whose keys they are; else the rule's scope, where `user` means the field Authorization */
    public function __construct(
        private readonly ResponseFactoryInterface $responses,
        private readonly StreamFactoryInterface $streams,
        private readonly Idempotent $rule = new Idempotent(),
        private readonly ?\Closure $principal = null,
        private readonly Ledger $ledger = new Ledger(),
    ) {
    }

    public function process(ServerRequestInterface $request, RequestHandlerInterface $handler): ResponseInterface
    {
        if (!\in_array($request->getMethod(), Idempotent::METHODS, true)) {
            return $handler->handle($request);
        }
        $key = trim($request->getHeaderLine($this->rule->header));
        // Without a key nobody needs it, and a body that can be read once only stays unread.
        [$request, $print] = '' === $key ? [$request, ''] : $this->fingerprint($request);
        $place = $request->getUri()->getAuthority()."\0".$request->getUri()->getPath();
        $begun = $this->ledger->begin($this->rule, $key, $this->principal($request)."\0".$place, $print);
        if (null === $begun) {
            return $handler->handle($request);
        }
        if ($begun instanceof Refusal) {
            return $this->response($begun->status(), $begun->headers(), $begun->body($this->rule->header));
        }
        if ($begun instanceof Answer) {
            return $this->response($begun->status, $begun->headers + [Ledger::REPLAYED => 'true'], $begun->body ?? '');
        }
        try {
            $response = $handler->handle($request);
            if (Answer::isFinal($response->getStatusCode())) {
                $size = $response->getBody()->getSize();
                // What cannot be read twice, or has no end that is known, is not kept.
                $isKnown = $response->getBody()->isSeekable() && null !== $size && $size <= $this->rule->maxBody;
                $body = $isKnown ? self::read($response->getBody()) : null;
                $begun->finish(new Answer($response->getStatusCode(), Answer::kept(array_map(array_values(...), $response->getHeaders())), $body));
            }

            return $response;
        } finally {
            $begun->abandon();
        }
    }

    private function principal(ServerRequestInterface $request): string
    {
        if (null !== $this->principal) {
            return ($this->principal)($request);
        }
        $isHeader = str_starts_with($this->rule->scope, Idempotent::BY_HEADER);

        return $request->getHeaderLine($isHeader ? substr($this->rule->scope, \strlen(Idempotent::BY_HEADER)) : 'Authorization');
    }

    /** @return array{ServerRequestInterface, string} what the handler is to read, too */
    private function fingerprint(ServerRequestInterface $request): array
    {
        $hash = hash_init('sha256');
        hash_update($hash, $request->getMethod()."\0".$request->getUri()->getPath()."\0".$request->getUri()->getQuery()."\0");
        $body = self::read($request->getBody());
        hash_update($hash, $body);
        if ('' === $body) {
            // A form has been taken apart.
            hash_update($hash, serialize($request->getParsedBody()));
        } elseif (!$request->getBody()->isSeekable()) {
            $copy = $this->streams->createStream($body);
            $copy->rewind();
            $request = $request->withBody($copy);
        }
        $files = $request->getUploadedFiles();
        array_walk_recursive($files, static function (mixed $file, int|string $name) use ($hash): void {
            hash_update($hash, "\0$name\0".($file instanceof UploadedFileInterface ? self::content($file) : ''));
        });

        return [$request, hash_final($hash)];
    }

    /** A print of a file; of one that can be read once only, what is known about it. */
    private static function content(UploadedFileInterface $file): string
    {
        $about = $file->getSize()."\0".$file->getClientFilename();
        if (\UPLOAD_ERR_OK !== $file->getError()) {
            return $about;
        }
        $stream = $file->getStream();

        return $stream->isSeekable() ? hash('sha256', self::read($stream)) : $about;
    }

    /** All of it; where it can go back it stands afterwards where it stood before. */
    private static function read(StreamInterface $stream): string
    {
        $at = $stream->isSeekable() ? $stream->tell() : null;
        $content = (string) $stream;
        if (null !== $at) {
            $stream->seek($at);
        }

        return $content;
    }

    /** @param array<string, string|list<string>> $headers */
    private function response(int $status, array $headers, string $body): ResponseInterface
    {
        $response = $this->responses->createResponse($status)->withBody($this->streams->createStream($body));
        foreach ($headers as $name => $value) {
            $response = $response->withHeader($name, $value);
        }

        return $response;
    }
}
