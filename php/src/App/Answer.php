<?php

declare(strict_types=1);

namespace Supercharger\Runtime\App;

use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\StreamInterface;
use Symfony\Component\HttpFoundation\Response as SymfonyResponse;

/**
 * Sends what an application has returned.
 *
 * - a PSR-7 `ResponseInterface`, a HttpFoundation `Response`;
 * - an array `{status: 200, headers: {name: text or list of texts}, body, error, _meta: {recycle: bool}}`, or an object with properties
 *   `statusCode` (or `status`), `headers`, `body`; the body is a text, a stream resource, or something iterable whose pieces leave as they come;
 * - a text: 200 with that body; null: the application has printed its answer.
 */
final class Answer
{
    /** Bytes of a stream that are sent at a time. */
    private const int PIECE = 65536;

    public static function send(mixed $answer): void
    {
        match (true) {
            null === $answer => null,
            // Before texts: a response may have `__toString()` too.
            $answer instanceof ResponseInterface => self::psr($answer),
            $answer instanceof SymfonyResponse => $answer->send(),
            \is_string($answer), $answer instanceof \Stringable => print (string) $answer,
            \is_array($answer) => self::plain($answer),
            \is_object($answer) => self::plain(['status' => $answer->statusCode ?? $answer->status ?? null] + get_object_vars($answer)),
            default => throw new \UnexpectedValueException(\sprintf('An application returned %s, which is no response.', get_debug_type($answer))),
        };
    }

    private static function psr(ResponseInterface $response): void
    {
        foreach ($response->getHeaders() as $name => $values) {
            self::header((string) $name, $values);
        }
        // Last: PHP changes the status for `Location` and `WWW-Authenticate`.
        header(\sprintf('HTTP/1.1 %d %s', $response->getStatusCode(), $response->getReasonPhrase()), true, $response->getStatusCode());
        self::stream($response->getBody());
    }

    /** The stream stays open: a response is a value, and the application may give it again. */
    private static function stream(StreamInterface $body): void
    {
        if ($body->isSeekable()) {
            $body->rewind();
        }
        // Of known length and small: one write. Everything else leaves as it comes.
        $flushes = null === $body->getSize() || $body->getSize() > self::PIECE;
        while (!$body->eof() && !connection_aborted()) {
            echo $body->read(self::PIECE);
            if ($flushes) {
                flush();
            }
        }
    }

    /** @param array<mixed> $answer */
    private static function plain(array $answer): void
    {
        $error = $answer['error'] ?? null;
        $status = self::status($answer['status'] ?? null);
        if (\is_scalar($error) && '' !== (string) $error) {
            // For the log; the client is told no more than that.
            supercharger_log('The application answered with an error: '.$error, 8);
        }
        $status ??= null !== $error && '' !== $error ? 500 : null;
        http_response_code($status ?? 200);
        foreach (is_iterable($answer['headers'] ?? null) ? $answer['headers'] : [] as $name => $values) {
            self::header((string) $name, $values);
        }
        if (null !== $status) {
            // Once more: PHP has changed it for `Location` and `WWW-Authenticate`.
            http_response_code($status);
        }
        self::body($answer['body'] ?? '');
        $meta = $answer['_meta'] ?? null;
        if (\is_array($meta) && true === ($meta['recycle'] ?? null)) {
            supercharger_recycle();
        }
    }

    /** @throws \UnexpectedValueException if it is none of HTTP */
    private static function status(mixed $status): ?int
    {
        if (null === $status) {
            return null;
        }
        $number = filter_var($status, \FILTER_VALIDATE_INT, ['options' => ['min_range' => 100, 'max_range' => 599]]);

        return \is_int($number) ? $number
            : throw new \UnexpectedValueException(\sprintf('The status of a response is %s, not a number from 100 to 599.', \is_scalar($status) ? var_export($status, true) : get_debug_type($status)));
    }

    private static function body(mixed $body): void
    {
        if (\is_resource($body)) {
            while (!feof($body) && !connection_aborted()) {
                echo fread($body, self::PIECE);
                flush();
            }
            fclose($body);
        } elseif (is_iterable($body)) {
            foreach ($body as $piece) {
                if (connection_aborted()) {
                    return;
                }
                echo self::text($piece);
                flush();
            }
        } else {
            echo self::text($body);
        }
    }

    /** The first value of a name replaces what was set before, the others stand beside it. */
    private static function header(string $name, mixed $values): void
    {
        $first = 0 !== strcasecmp($name, 'set-cookie');
        foreach (\is_array($values) ? $values : [$values] as $value) {
            header($name.': '.self::text($value), $first);
            $first = false;
        }
    }

    private static function text(mixed $value): string
    {
        return \is_scalar($value) || $value instanceof \Stringable ? (string) $value
            : throw new \UnexpectedValueException(\sprintf('A part of a response is %s, not a text.', get_debug_type($value)));
    }
}
