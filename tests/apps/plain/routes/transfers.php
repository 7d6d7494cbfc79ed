<?php

declare(strict_types=1);

namespace App;

/** @return array<string, callable(): void> */
function transfers(): array
{
    return [
        // Blocks of 32 KiB, each full of its own number, so that a lost, doubled or misplaced piece is seen.
        '/bulk' => static function (): void {
            bulk((int) $_GET['blocks']);
            if (isset($_GET['id'])) {
                mark('printed-'.$_GET['id']);
            }
        },
        // The same in one echo.
        '/bulk-at-once' => static function (): void {
            $blocks = (int) $_GET['blocks'];
            header('Content-Length: '.$blocks * 32768);
            echo implode('', array_map(block(...), range(0, $blocks - 1)));
        },
        // The response is finished while its client has read nothing of it.
        '/bulk-finish' => static function (): void {
            bulk((int) $_GET['blocks']);
            $finished = supercharger_finish_request();
            mark('finished-'.$_GET['id'], json_encode([$finished, connection_status()]));
            await('go-on-'.$_GET['id']);
        },
        // Prints until the client is gone or the blocks are; says how it ended and how much was printed.
        '/bulk-until-gone' => static function (): void {
            $id = (string) $_GET['id'];
            $printed = 0;
            ignore_user_abort(false);
            register_shutdown_function(static function () use ($id, &$printed): void {
                mark("ended-$id", json_encode(['status' => connection_status(), 'printed' => $printed]));
            });
            for (; $printed < (int) $_GET['blocks']; ++$printed) {
                echo block($printed);
                flush();
                if (2 === $printed) {
                    mark("printing-$id");
                }
                if (isset($_GET['pause'])) {
                    usleep((int) $_GET['pause']);
                }
            }
        },
        // Keeps what was uploaded, one after the other under the same name.
        '/upload-move' => static function (): void {
            $moved = [];
            foreach ($_FILES as $name => $file) {
                $to = test_dir().'/moved-'.bin2hex(random_bytes(8));
                $moved[$name] = ['error' => $file['error'], 'size' => $file['size'], 'moved' => move_uploaded_file($file['tmp_name'], $to)];
                if ($moved[$name]['moved']) {
                    $moved[$name]['fnv1a64'] = hash_file('fnv1a64', $to);
                    unlink($to);
                }
            }
            json($moved);
        },
        '/upload-sizes' => static function (): void {
            json(array_map(static fn (array $file): int => (int) filesize($file['tmp_name']), $_FILES));
        },
        // Reads the whole input in pieces and says how long it was.
        '/count-input' => static function (): void {
            $input = fopen('php://input', 'r');
            for ($length = 0; !feof($input); $length += \strlen((string) fread($input, 65536)));
            echo $length;
        },
    ];
}

function bulk(int $blocks): void
{
    header('Content-Length: '.$blocks * 32768);
    for ($number = 0; $number < $blocks; ++$number) {
        echo block($number);
    }
}

/** 32 KiB that say their number. */
function block(int $number): string
{
    return str_repeat(sprintf("%07d\n", $number), 4096);
}
