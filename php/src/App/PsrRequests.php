<?php

declare(strict_types=1);

namespace Supercharger\Runtime\App;

use Psr\Http\Message\ServerRequestFactoryInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Message\StreamFactoryInterface;
use Psr\Http\Message\UploadedFileFactoryInterface;
use Psr\Http\Message\UploadedFileInterface;

/** Makes PSR-7 requests of what PHP knows, with the library that the project has. */
final class PsrRequests
{
    /** Classes that bring the factories of PSR-17, in the order in which they are looked for. */
    private const array LIBRARIES = [
        'nyholm/psr7' => ['Nyholm\Psr7\Factory\Psr17Factory'],
        'guzzlehttp/psr7' => ['GuzzleHttp\Psr7\HttpFactory'],
        'laminas/laminas-diactoros' => ['Laminas\Diactoros\ServerRequestFactory', 'Laminas\Diactoros\StreamFactory', 'Laminas\Diactoros\UploadedFileFactory'],
        'slim/psr7' => ['Slim\Psr7\Factory\ServerRequestFactory', 'Slim\Psr7\Factory\StreamFactory', 'Slim\Psr7\Factory\UploadedFileFactory'],
    ];

    private readonly ServerRequestFactoryInterface $requests;
    private readonly StreamFactoryInterface $streams;
    private readonly UploadedFileFactoryInterface $uploads;

    /** @throws \LogicException if the project has none of the libraries */
    public function __construct()
    {
        foreach (self::LIBRARIES as $classes) {
            if (class_exists($classes[0])) {
                $made = array_map(static fn (string $class): object => new $class(), $classes);
                [$requests, $streams, $uploads] = [$made[0], $made[1] ?? $made[0], $made[2] ?? $made[0]];
                if ($requests instanceof ServerRequestFactoryInterface && $streams instanceof StreamFactoryInterface && $uploads instanceof UploadedFileFactoryInterface) {
                    [$this->requests, $this->streams, $this->uploads] = [$requests, $streams, $uploads];

                    return;
                }
            }
        }

        throw new \LogicException(\sprintf('This application wants PSR-7 requests, and no library for them is installed. Run `composer require nyholm/psr7`, or one of %s.', implode(', ', \array_slice(array_keys(self::LIBRARIES), 1))));
    }

    public function current(): ServerRequestInterface
    {
        $request = $this->requests->createServerRequest(self::text('REQUEST_METHOD', 'GET'), self::uri(), $_SERVER);
        foreach (getallheaders() as $name => $value) {
            $request = $request->withHeader((string) $name, $value);
        }
        $protocol = substr(strrchr(self::text('SERVER_PROTOCOL', 'HTTP/1.1'), '/') ?: '/1.1', 1);
        $input = fopen('php://input', 'r');

        return $request
            ->withProtocolVersion($protocol)
            ->withCookieParams($_COOKIE)
            ->withQueryParams($_GET)
            ->withParsedBody($this->isForm($request) ? $_POST : null)
            ->withUploadedFiles($this->uploads($_FILES))
            ->withBody(false === $input ? $this->streams->createStream() : $this->streams->createStreamFromResource($input));
    }

    /** Whether PHP has parsed the body: it does so for POST alone. */
    private function isForm(ServerRequestInterface $request): bool
    {
        if ('POST' !== $request->getMethod()) {
            return false;
        }
        $type = strtolower(trim(explode(';', $request->getHeaderLine('Content-Type'), 2)[0]));

        return \in_array($type, ['application/x-www-form-urlencoded', 'multipart/form-data'], true);
    }

    private static function uri(): string
    {
        $uri = self::text('REQUEST_URI', '/');
        if (!str_starts_with($uri, '/')) {
            return $uri;
        }
        $scheme = \in_array(self::text('HTTPS'), ['', 'off'], true) ? 'http' : 'https';

        // Two slashes at the start would name a host.
        return $scheme.'://'.self::text('HTTP_HOST', 'localhost').$uri;
    }

    /**
     * PHP turns nested names inside out: `a[b]` is `name => [b => ...]`.
     *
     * @param array<mixed> $files
     *
     * @return array<mixed>
     */
    private function uploads(array $files): array
    {
        $uploads = [];
        foreach ($files as $key => $file) {
            if (\is_array($file) && \array_key_exists('tmp_name', $file)) {
                $uploads[$key] = $this->upload($file['tmp_name'], $file['size'] ?? 0, $file['error'] ?? 0, $file['name'] ?? null, $file['type'] ?? null);
            }
        }

        return $uploads;
    }

    /** @return UploadedFileInterface|array<mixed> */
    private function upload(mixed $path, mixed $size, mixed $error, mixed $name, mixed $type): UploadedFileInterface|array
    {
        if (\is_array($path)) {
            $at = static fn (mixed $of, int|string $key): mixed => \is_array($of) ? ($of[$key] ?? null) : null;
            $list = [];
            foreach ($path as $key => $one) {
                $list[$key] = $this->upload($one, $at($size, $key), $at($error, $key), $at($name, $key), $at($type, $key));
            }

            return $list;
        }
        $taken = \UPLOAD_ERR_OK === $error && \is_string($path) && is_uploaded_file($path);

        return $this->uploads->createUploadedFile(
            $taken ? $this->streams->createStreamFromFile($path) : $this->streams->createStream(),
            \is_int($size) ? $size : null,
            \is_int($error) ? $error : \UPLOAD_ERR_CANT_WRITE,
            \is_string($name) ? $name : null,
            \is_string($type) ? $type : null,
        );
    }

    private static function text(string $name, string $default = ''): string
    {
        $value = $_SERVER[$name] ?? $default;

        return \is_string($value) && '' !== $value ? $value : $default;
    }
}
