<?php

declare(strict_types=1);

namespace App;

/** @return array<string, callable(): void> */
function streams(): array
{
    return [
        // Says that it runs, then waits until the test lets it go.
        '/hold' => static function (): void {
            $id = (string) $_GET['id'];
            mark("holding-$id", json_encode(\function_exists('supercharger_worker') ? supercharger_worker() : []));
            await("release-$id");
            echo 'held ', $id;
        },
        // Every piece waits for the test's word, so a piece that arrives was sent before the next existed.
        '/stream' => static function (): void {
            header('Content-Type: text/plain');
            $pieces = (int) ($_GET['pieces'] ?? 3);
            for ($piece = 1; $piece <= $pieces; ++$piece) {
                if ($piece > 1) {
                    await("next-{$_GET['id']}-$piece");
                }
                echo "piece $piece\n";
                flush();
            }
        },
        // flush() under output buffering: what ob_flush() lets through must leave.
        '/stream-buffered' => static function (): void {
            ob_start();
            echo 'first';
            ob_flush();
            flush();
            await("next-{$_GET['id']}");
            echo ' second';
        },
        '/flush-nothing' => static function (): void {
            http_response_code(204);
            flush();
        },
        // The response leaves at finish; the script goes on and says so.
        '/finish' => static function (): void {
            echo 'finished';
            supercharger_finish_request();
            echo ' never seen';
            await("go-on-{$_GET['id']}");
            mark("went-on-{$_GET['id']}", (string) connection_status());
        },
        '/finish-alias' => static function (): void {
            echo 'finished';
            fastcgi_finish_request();
            echo ' never seen';
        },
        // Writes until the client is gone, or says that it never noticed.
        '/endless' => static function (): void {
            $id = (string) $_GET['id'];
            ignore_user_abort(false);
            register_shutdown_function(static fn () => mark("ended-$id", (string) connection_status()));
            mark("streaming-$id");
            for ($i = 0; $i < 5000; ++$i) {
                echo str_repeat('.', 1024);
                flush();
                usleep(2000);
            }
        },
    ];
}
