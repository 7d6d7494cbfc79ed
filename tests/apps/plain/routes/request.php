<?php

declare(strict_types=1);

namespace App;

/** What PHP sees of a request. @return array<string, callable(): void> */
function request(): array
{
    return [
        '/server-vars' => static function (): void {
            json(['server' => printable($_SERVER), 'environment' => array_keys(getenv())]);
        },
        '/environment' => static function (): void {
            $name = (string) $_GET['name'];
            json(['env' => $_ENV[$name] ?? null, 'server' => $_SERVER[$name] ?? null, 'getenv' => getenv($name)]);
        },
        '/ini' => static function (): void {
            json(['value' => ini_get((string) $_GET['name'])]);
        },
        '/all-headers' => static function (): void {
            json([
                'getallheaders' => printable(getallheaders()),
                'apache_request_headers' => printable(\apache_request_headers()),
                'frankenphp_request_headers' => printable(\frankenphp_request_headers()),
            ]);
        },
        '/hex-vars' => static function (): void {
            json(array_map(static fn (string $name): string => bin2hex((string) ($_SERVER[$name] ?? '-')), [
                'PATH_INFO' => 'PATH_INFO',
                'PATH_TRANSLATED' => 'PATH_TRANSLATED',
                'CONTENT_TYPE' => 'CONTENT_TYPE',
                'HTTP_FUZZED' => 'HTTP_FUZZED',
                'REQUEST_URI' => 'REQUEST_URI',
            ]));
        },
        // Only odd requests run code that names $_REQUEST, which is what makes PHP fill it (auto_globals_jit).
        '/sometimes-merged' => static function (): void {
            json(['merged' => 1 === (int) $_GET['number'] % 2 ? include __DIR__.'/merged.php' : null]);
        },
        '/phpinfo' => static function (): void {
            phpinfo();
        },
        '/superglobals' => static function (): void {
            json(superglobals());
        },
        // Also for PUT and PATCH, whose bodies PHP leaves alone.
        '/parse-body' => static function (): void {
            try {
                [$post, $files] = request_parse_body();
                json(['post' => printable($post), 'files' => uploads($files)]);
            } catch (\Throwable $fault) {
                json([$fault::class => $fault->getMessage()]);
            }
        },
        '/parse-body-with' => static function (): void {
            try {
                [$post, $files] = request_parse_body(['max_input_vars' => 2, 'upload_max_filesize' => 10]);
                json(['post' => printable($post), 'files' => uploads($files)]);
            } catch (\Throwable $fault) {
                json([$fault::class => $fault->getMessage()]);
            }
        },
        // php://input by every way there is: whole, in pieces, from the middle, by two handles, and again.
        '/input-ways' => static function (): void {
            $hash = static fn (string $bytes): string => \strlen($bytes).':'.hash('fnv1a64', $bytes);
            $one = fopen('php://input', 'r');
            $pieces = '';
            while (!feof($one)) {
                $pieces .= fread($one, 1000);
            }
            $other = fopen('php://input', 'r');
            fseek($other, 10);
            $middle = fread($other, 5);
            rewind($one);
            $ways = [
                'whole' => $hash((string) file_get_contents('php://input')),
                'pieces' => $hash($pieces),
                'rewound' => $hash((string) stream_get_contents($one)),
                'middle' => $middle,
            ];
            fclose($one);
            $ways['rest'] = $hash((string) stream_get_contents($other));
            $ways['again'] = $hash((string) file_get_contents('php://input'));
            $ways['post'] = \count($_POST);
            json($ways);
        },
    ];
}

/** Text as it is; anything else as hex, because JSON carries UTF-8 only. */
function printable(mixed $value): mixed
{
    if (\is_array($value)) {
        $printable = [];
        foreach ($value as $key => $item) {
            $printable[printable($key)] = printable($item);
        }

        return $printable;
    }

    return \is_string($value) && !preg_match('//u', $value) ? 'hex:'.bin2hex($value) : $value;
}

/** $_FILES without what is different each time, with what the files hold. */
function uploads(array $files): array
{
    array_walk_recursive($files, static function (mixed &$value, string|int $key): void {
        if (\is_string($value) && '' !== $value && is_uploaded_file($value)) {
            $value = \strlen((string) file_get_contents($value)).':'.hash_file('fnv1a64', $value);
        }
    });

    return printable($files);
}

/** @return array<string, mixed> */
function superglobals(): array
{
    return [
        'get' => printable($_GET),
        'post' => printable($_POST),
        'cookie' => printable($_COOKIE),
        'request' => printable($_REQUEST),
        'files' => uploads($_FILES),
        'input' => \strlen((string) file_get_contents('php://input')).':'.hash_file('fnv1a64', 'php://input'),
        'content_type' => $_SERVER['CONTENT_TYPE'] ?? '',
        'content_length' => $_SERVER['CONTENT_LENGTH'] ?? '',
    ];
}
