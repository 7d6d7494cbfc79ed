<?php

declare(strict_types=1);

namespace App;

/** @return array<string, callable(): void> */
function faults(): array
{
    return endings() + fatals() + brokenOff() + [
        // Fills the heap up to a few bytes below memory_limit and then does ordinary work, so that the engine runs
        // out of memory somewhere else each time: in an echo, a header, a session, an array, an output buffer, a fiber.
        '/brim' => static function (): void {
            brim((int) $_GET['room'], (string) $_GET['then']);
        },
    ];
}

/** @return array<string, callable(): void> */
function endings(): array
{
    return [
        '/exit' => static function (): void {
            exit(0);
        },
        '/exit-code' => static function (): void {
            exit(3);
        },
        '/die-with-output' => static function (): void {
            echo 'said ';
            die('goodbye');
        },
        '/exit-after-redirect' => static function (): void {
            header('Location: /elsewhere');
            exit;
        },
        '/exit-after-status' => static function (): void {
            http_response_code(204);
            exit;
        },
        '/exit-after-header' => static function (): void {
            header('Access-Control-Allow-Origin: *');
            exit;
        },
        '/exit-in-finally' => static function (): void {
            try {
                echo 'tried';
                exit;
            } finally {
                mark('finally-ran');
            }
        },
        '/throw' => static function (): void {
            throw new \LogicException('nobody catches this');
        },
        // For the script that catches what its application throws.
        '/await-in-vain' => static function (): void {
            throw new \RuntimeException('caught by the script');
        },
        '/nested' => static function (): void {
            try {
                supercharger_handle_request(static function (): void {});
                echo 'no exception';
            } catch (\RuntimeException) {
                echo 'RuntimeException';
            }
        },
        '/throw-after-output' => static function (): void {
            echo 'some output first';
            throw new \LogicException('nobody catches this');
        },
        '/throw-with-status' => static function (): void {
            http_response_code(503);
            throw new \LogicException('nobody catches this');
        },
        '/throwing-destructor' => static function (): void {
            $thrower = new Thrower();
            echo 'output before the destructor';
        },
        '/shutdown-throws' => static function (): void {
            register_shutdown_function(static function (): void {
                throw new \LogicException('from a shutdown function');
            });
        },
        '/shutdown-exits' => static function (): void {
            register_shutdown_function(static function (): void {
                exit(1);
            });
            echo 'said before';
        },
        // The response is complete; the worker's terminate step then fails.
        '/terminate-throws' => static function (): void {
            Terminate::$step = static fn () => throw new \LogicException('from the terminate step');
            echo 'answered';
        },
        '/terminate-waits' => static function (): void {
            $id = (string) $_GET['id'];
            Terminate::$step = static function () use ($id): void {
                await("go-$id");
                mark("terminated-$id");
            };
            echo 'answered';
        },
        '/terminate-exits' => static function (): void {
            Terminate::$step = static function (): void {
                exit(1);
            };
            echo 'answered';
        },
        '/terminate-fatal' => static function (): void {
            Terminate::$step = fatal(...);
            echo 'answered';
        },
        '/fiber-throw' => static function (): void {
            (new \Fiber(static fn () => throw new \LogicException('from a fiber')))->start();
        },
        '/fiber-exit' => static function (): void {
            (new \Fiber(static function (): void {
                exit(0);
            }))->start();
        },
        '/destructor-exits' => static function (): void {
            $leaver = new Leaver();
            echo 'output before the destructor';
        },
    ];
}

/** @return array<string, callable(): void> */
function fatals(): array
{
    return [
        '/fatal' => fatal(...),
        '/fatal-after-output' => static function (): void {
            echo 'some output first';
            fatal();
        },
        '/redeclare' => static function (): void {
            include __DIR__.'/redeclare.php';
        },
        '/memory' => static function (): void {
            $hold = [];
            while (true) {
                $hold[] = str_repeat('m', 1 << 20);
            }
        },
        '/memory-small-pieces' => static function (): void {
            $hold = [];
            while (true) {
                $hold[] = [random_int(0, 9)];
            }
        },
        '/memory-one-piece' => static function (): void {
            $hold = str_repeat('m', 2_000_000_000);
        },
        // Userland frames live on the heap: this ends at memory_limit.
        '/recursion' => static function (): void {
            recurse(0);
        },
        // Native frames live on the thread's stack: zend.max_allowed_stack_size must stop it before the guard page.
        '/native-recursion' => static function (): void {
            $down = static function () use (&$down): array {
                return array_map($down, [1]);
            };
            $down();
        },
        '/destructor-recursion' => static function (): void {
            // A chain of objects that is freed recursively in C: a thread with a default stack of 2 MiB would not survive it.
            $chain = null;
            for ($i = 0; $i < 10_000; ++$i) {
                $link = new \stdClass();
                $link->next = $chain;
                $chain = $link;
            }
            unset($chain, $link);
            echo 'freed';
        },
        '/time-limit' => static function (): void {
            set_time_limit(1);
            while (true) {
                usleep(1000);
            }
        },
        '/fatal-in-output-buffer' => static function (): void {
            ob_start(static function (string $buffer): string {
                fatal();
            });
            echo 'buffered';
        },
        '/fatal-in-fiber' => static function (): void {
            (new \Fiber(fatal(...)))->start();
        },
        '/fatal-in-destructor' => static function (): void {
            $dying = new Dying();
            echo 'output before the destructor';
        },
        '/fatal-in-shutdown' => static function (): void {
            register_shutdown_function(fatal(...));
            echo 'output before the shutdown function';
        },
        // What is reported after the fatal error must not make it forgotten.
        '/fatal-then-warning' => static function (): void {
            register_shutdown_function(static fn () => fopen('/nonexistent/file', 'r'));
            echo 'half a page';
            fatal();
        },
        '/throw-then-warning' => static function (): void {
            register_shutdown_function(static fn () => fopen('/nonexistent/file', 'r'));
            echo 'half a page';
            throw new \LogicException('nobody catches this');
        },
        // An error handler of the application sees warnings and must not make a healthy request look like a failed one.
        '/handled-warnings' => static function (): void {
            set_error_handler(static fn () => true);
            fopen('/nonexistent/file', 'r');
            trigger_error('deprecated', \E_USER_DEPRECATED);
            restore_error_handler();
            @fopen('/nonexistent/file', 'r');
            try {
                eval('this is no PHP');
            } catch (\ParseError) {
                echo 'caught';
            }
        },
        '/handled-warnings-exit' => static function (): void {
            @fopen('/nonexistent/file', 'r');
            try {
                undefined_function();
            } catch (\Error) {
                echo 'caught';
            }
            exit;
        },
        '/fatal-in-session' => static function (): void {
            session_set_save_handler(new BrokenSession(), true);
            session_start();
            $_SESSION['x'] = 1;
            echo 'output before the session is written';
        },
        '/fatal-with-open-things' => static function (): void {
            session_start();
            $_SESSION['open'] = true;
            ob_start();
            $file = fopen(test_dir().'/open-thing', 'w');
            fwrite($file, 'x');
            ignore_user_abort(true);
            fatal();
        },
    ];
}

/** Responses that lose their script after their head has left. @return array<string, callable(): void> */
function brokenOff(): array
{
    $begin = static function (): void {
        header('Content-Type: text/plain');
        if (isset($_GET['length'])) {
            header('Content-Length: '.(int) $_GET['length']);
        }
        echo 'the first part';
        flush();
        if (isset($_GET['id'])) {
            await("break-{$_GET['id']}");
        }
    };

    return [
        '/head-then-fatal' => static function () use ($begin): void {
            $begin();
            fatal();
        },
        '/head-then-memory' => static function () use ($begin): void {
            $begin();
            $hold = str_repeat('m', 2_000_000_000);
        },
        '/head-then-throw' => static function () use ($begin): void {
            $begin();
            throw new \LogicException('nobody catches this');
        },
        '/head-then-exit' => static function () use ($begin): void {
            $begin();
            exit(0);
        },
        // No flush: the output is simply larger than what the server gathers.
        '/much-then-fatal' => static function (): void {
            big((int) ($_GET['n'] ?? 300_000));
            fatal();
        },
        // Nothing has left when the fault comes: all of it is in an output buffer, and is flushed afterwards.
        '/buffered-then-fatal' => static function (): void {
            ini_set('display_errors', $_GET['show'] ?? '0');
            ob_start();
            big((int) ($_GET['n'] ?? 300_000));
            fatal();
        },
        '/buffered-then-throw' => static function (): void {
            ini_set('display_errors', $_GET['show'] ?? '0');
            ob_start();
            big((int) ($_GET['n'] ?? 300_000));
            throw new \LogicException('nobody catches this');
        },
        '/much-then-throw' => static function (): void {
            big((int) ($_GET['n'] ?? 300_000));
            throw new \LogicException('nobody catches this');
        },
    ];
}

/** A real E_ERROR, which no handler and no catch block sees: a class that cannot exist. */
function fatal(): never
{
    eval('final class Unfinished implements \Countable {}');
    throw new \LogicException('the engine did not raise its fatal error');
}

function recurse(int $depth): int
{
    return 1 + recurse($depth + 1);
}

final class Thrower
{
    public function __destruct()
    {
        throw new \LogicException('from a destructor');
    }
}

final class Leaver
{
    public function __destruct()
    {
        exit(0);
    }
}

final class Dying
{
    public function __destruct()
    {
        fatal();
    }
}

final class BrokenSession extends \SessionHandler
{
    public function write(string $id, string $data): bool
    {
        fatal();
    }
}

/**
 * Leaves about `$room` bytes of memory, then works. The answer is `done` or the engine's end.
 *
 * The heap cannot be filled to its last byte: gaps of other sizes stay. `floor` finds how many bytes that are, and leaves
 * the number as a marker; with less room than that the filling itself meets the limit.
 */
function brim(int $room, string $then): void
{
    // One block takes all that the heap might still ask of the system. Then small pieces fill what it has: of a size of
    // which eight make a page, so that no gap is too small for them, into an array that need not grow.
    $pieces = array_fill(0, 8000, null);
    $free = 0;
    if ('floor' === $then) {
        register_shutdown_function(static function () use (&$free): void {
            mark('floor', (string) $free);
        });
    }
    $block = str_repeat('b', max(0, ini_parse_quantity((string) ini_get('memory_limit')) - memory_get_usage(true) - 8192));
    for ($i = 0; ($free = memory_get_usage(true) - memory_get_usage()) > $room; ++$i) {
        $pieces[$i] = str_repeat('p', 480);
    }
    match ($then) {
        'echo' => print(str_repeat('e', 5000)),
        'headers' => array_map(static fn (int $i) => header("X-Brim-$i: ".str_repeat('h', 100)), range(1, 50)),
        'session' => session_start() && $_SESSION['brim'] = str_repeat('s', 5000),
        'array' => range(1, 1000),
        'buffer' => ob_start() && print(str_repeat('o', 5000)),
        'fiber' => (new \Fiber(static fn () => print(str_repeat('f', 5000))))->start(),
        'throw' => throw new \LogicException(str_repeat('t', 5000)),
        'json' => json(array_fill(0, 500, ['key' => 'value'])),
        'include' => require __DIR__.'/large.php',
        'destructor' => (static function (): void { new Echoing(); })(),
        'shutdown' => register_shutdown_function(static fn () => print(str_repeat('z', 20000))),
        'finish' => supercharger_finish_request() && print(str_repeat('z', 20000)),
    };
    echo 'done';
}

final class Echoing
{
    public function __destruct()
    {
        echo str_repeat('d', 5000);
    }
}
