<?php

declare(strict_types=1);

namespace App;

/** Sessions with each kind of handler and each way to end a request. @return array<string, callable(): void> */
function sessions(): array
{
    return [
        // Opens the session of this client, writes into it and ends as asked for.
        '/session-hit' => static function (): void {
            use_handler(query('handler'));
            session_start();
            if (null !== query('owner')) {
                $_SESSION['owner'] = query('owner');
            }
            $_SESSION['last'] = query('end');
            end_session((string) query('end'));
        },
        '/session-see' => static function (): void {
            $before = ['session' => $_SESSION ?? null, 'id' => session_id(), 'status' => session_status()];
            use_handler(query('handler'));
            session_start();
            json([
                'before' => $before,
                'id' => session_id(),
                'data' => $_SESSION,
                'module' => session_module_name(),
            ]);
        },
        '/session-regenerate' => static function (): void {
            session_start();
            session_regenerate_id(true);
            echo session_id();
        },
        // Without session_start(): session.auto_start has done it.
        '/session-auto' => static function (): void {
            $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
            json(['status' => session_status(), 'id' => session_id(), 'count' => $_SESSION['count']]);
        },
    ];
}

function use_handler(?string $handler): void
{
    match ($handler) {
        'object' => session_set_save_handler(new LockedFiles(), true),
        'functions' => use_functions(new LockedFiles()),
        default => null,
    };
}

function use_functions(LockedFiles $handler): void
{
    // Deprecated since PHP 8.4, and in use everywhere.
    @session_set_save_handler(
        $handler->open(...), $handler->close(...), $handler->read(...), $handler->write(...), $handler->destroy(...), $handler->gc(...),
    );
}

function end_session(string $end): void
{
    switch ($end) {
        case 'closed':
            session_write_close();
            break;
        case 'abort':
            session_abort();
            break;
        case 'exit':
            echo 'gone';
            exit;
        case 'exception':
            throw new \LogicException('with an open session');
        case 'fatal':
            eval('class Impossible extends \DateTimeInterface {}');
            break;
        case 'timeout':
            set_time_limit(1);
            for (;;) {
            }
            // no break
        case 'memory':
            ini_set('memory_limit', '8M');
            str_repeat('x', 50_000_000);
            break;
        case 'finish':
            echo 'finished';
            \supercharger_finish_request();
            $_SESSION['late'] = true;

            return;
        case 'fatal-in-write':
        case 'timeout-in-write':
        case 'exception-in-write':
        case 'exit-in-write':
            LockedFiles::$fault = $end;
            break;
        default:
    }
    echo 'done';
}

/** A save handler as applications write them: a file for each session, locked from read to close. */
final class LockedFiles implements \SessionHandlerInterface
{
    public static string $fault = '';
    /** @var resource|null */
    private $file;

    public function open(string $path, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        if (null !== $this->file) {
            fclose($this->file);
            $this->file = null;
        }

        return true;
    }

    public function read(string $id): string
    {
        $this->file = fopen(test_dir().'/own-'.$id, 'c+');
        flock($this->file, \LOCK_EX);

        return (string) stream_get_contents($this->file);
    }

    public function write(string $id, string $data): bool
    {
        $fault = self::$fault;
        self::$fault = '';
        if ('' !== $fault) {
            end_session(substr($fault, 0, (int) strpos($fault, '-')));
        }
        ftruncate($this->file, 0);
        rewind($this->file);
        fwrite($this->file, $data);

        return true;
    }

    public function destroy(string $id): bool
    {
        return true;
    }

    public function gc(int $max_lifetime): int
    {
        return 0;
    }
}
