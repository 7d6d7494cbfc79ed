<?php

declare(strict_types=1);

namespace App;

/** @return array<string, callable(): void> */
function responses(): array
{
    return [
        // Runs what the test has written: a case stands whole beside what it must show.
        '/script' => static function (): void {
            require test_dir().'/script-'.(int) $_GET['s'].'.php';
        },
        // Early hints, then the final response without the hint's own header.
        '/hints' => static function (): void {
            header('Link: </style.css>; rel=preload; as=style');
            header('Request: '.($_GET['i'] ?? ''));
            $sent = headers_send(103);
            if (isset($_GET['mark'])) {
                mark($_GET['mark']);
            }
            if (isset($_GET['wait'])) {
                await($_GET['wait']);
            }
            header_remove('Link');
            echo 'sent ', $sent;
        },
        // As many interim heads as asked for, each with what the query says; then the number of those that left.
        '/interim' => static function (): void {
            header('X-Fill: '.str_repeat('f', (int) ($_GET['fill'] ?? 1)));
            header('Content-Length: 3');
            header('Transfer-Encoding: chunked');
            $sent = 0;
            for ($i = 0; $i < (int) ($_GET['n'] ?? 1); ++$i) {
                $sent += headers_send((int) ($_GET['status'] ?? 103));
            }
            header_remove();
            header('Content-Type: text/plain');
            echo $sent;
        },
        '/headers-send' => static function (): void {
            $seen = [];
            try {
                headers_send((int) $_GET['status']);
            } catch (\ValueError $error) {
                $seen[] = $error->getMessage();
            }
            echo implode("\n", $seen);
        },
        // The final head leaves before there is any output, and only once.
        '/head-now' => static function (): void {
            header('X-Early: yes');
            ob_start();
            echo 'still buffered';
            $first = headers_send((int) ($_GET['status'] ?? 200));
            $seen = [$first, headers_sent(), headers_send(103), headers_send(500), http_response_code()];
            await("go-{$_GET['id']}");
            ob_end_flush();
            echo ' ', json_encode($seen);
        },
        // An interim head after the answer has been given.
        '/late-hints' => static function (): void {
            echo 'done';
            supercharger_finish_request();
            mark("late-{$_GET['id']}", (string) headers_send(103));
        },
    ];
}
