<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\HttpFoundation\Cookie;
use Symfony\Component\HttpFoundation\File\UploadedFile;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpFoundation\StreamedResponse;

/** The pages, for who takes a request of HttpFoundation and gives a response of it. */
final class FoundationPages
{
    private int $served = 0;

    public function answer(Request $request): Response
    {
        ++$this->served;

        return match ($request->getPathInfo()) {
            '/' => new Response('hello'),
            '/teapot' => new Response('short and stout', 418),
            '/headers' => self::headers(),
            '/echo' => new JsonResponse([
                'method' => $request->getMethod(),
                'query' => $request->query->all(),
                'form' => $request->request->all(),
                'cookie' => $request->cookies->all(),
                'in' => $request->headers->get('X-In', ''),
                'length' => \strlen($request->getContent()),
                'id' => $request->server->get('HTTP_X_REQUEST_ID'),
            ]),
            '/upload' => new JsonResponse(self::upload($request->files->get('file'))),
            '/count' => new Response((string) $this->served),
            '/stream' => new StreamedResponse(static function () use ($request): void {
                foreach (ArrayPages::pieces($request->query->getString('wait')) as $piece) {
                    echo $piece;
                    flush();
                }
            }),
            '/fail' => throw new \LogicException('deliberate failure'),
            default => new Response('no such page', 404),
        };
    }

    private static function headers(): Response
    {
        $response = new Response('look', 200, ['X-Twice' => ['a', 'b'], 'Content-Type' => 'text/x-own']);
        $response->headers->setCookie(Cookie::create('one', '1'));
        $response->headers->setCookie(Cookie::create('two', '2'));

        return $response;
    }

    /** @return array{name: string, size: int, sha256: string} */
    private static function upload(mixed $file): array
    {
        if (!$file instanceof UploadedFile || !$file->isValid()) {
            return ['name' => '', 'size' => 0, 'sha256' => ''];
        }

        return [
            'name' => $file->getClientOriginalName(),
            'size' => (int) $file->getSize(),
            'sha256' => (string) hash_file('sha256', $file->getPathname()),
        ];
    }
}
