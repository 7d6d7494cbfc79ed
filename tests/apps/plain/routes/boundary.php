<?php

declare(strict_types=1);

namespace App;

/** What a request leaves behind for the boundary to clear up. @return array<string, callable(): void> */
function boundary(): array
{
    return [
        '/keep-input' => static function (): void {
            $GLOBALS['kept'] = fopen('php://input', 'r');
            echo \strlen((string) stream_get_contents($GLOBALS['kept']));
        },
        '/read-kept' => static function (): void {
            rewind($GLOBALS['kept']);
            echo \strlen((string) stream_get_contents($GLOBALS['kept']));
        },
        '/drop-kept' => static function (): void {
            unset($GLOBALS['kept']);
            echo 'dropped';
        },
        // The buffer is closed by the boundary, which must not let its exception out to the next client.
        '/late-exception' => static function (): void {
            Terminate::$step = static fn () => ob_start(static fn () => throw new \LogicException('late'));
            echo 'answered';
        },
        '/late-exit' => static function (): void {
            Terminate::$step = static function (): void {
                ob_start(static function (): string {
                    exit;
                });
            };
            echo 'answered';
        },
        // Shutdown functions and destructors are no place to ask for another request.
        '/shutdown-asks' => static function (): void {
            register_shutdown_function(static fn () => \supercharger_handle_request(static fn () => print 'served in shutdown'));
            echo 'answered';
        },
        '/late-shutdown-asks' => static function (): void {
            Terminate::$step = static fn () => register_shutdown_function(
                static fn () => \supercharger_handle_request(static fn () => print 'served in shutdown')
            );
            echo 'answered';
        },
        '/exit-then-destructor-asks' => static function (): void {
            $GLOBALS['asks'] = new AsksInDestructor();
            exit('answered');
        },
        '/handler-exits' => static function (): void {
            set_exception_handler(static function (): void {
                http_response_code(503);
                exit('bye');
            });
            throw new \LogicException('dealt with');
        },
        '/handler-answers' => static function (): void {
            set_exception_handler(static function (): void {
                http_response_code(404);
                echo 'not found, says the handler';
            });
            throw new \LogicException('dealt with');
        },
        '/handler-is-silent' => static function (): void {
            set_exception_handler(static function (): void {});
            throw new \LogicException('dealt with');
        },
        '/late-limit' => static function (): void {
            $seconds = (int) ($_GET['seconds'] ?? 1);
            Terminate::$step = static fn () => set_time_limit($seconds);
            echo 'answered';
        },
        '/fork' => static function (): void {
            $child = pcntl_fork();
            if (0 === $child) {
                exit(3);
            }
            pcntl_waitpid($child, $status);
            echo pcntl_wifexited($status) ? pcntl_wexitstatus($status) : 'killed';
        },
        '/rewritten-form' => static function (): void {
            output_add_rewrite_var($_GET['name'], $_GET['value']);
            echo '<form action=""></form>';
        },
        '/predictable' => static function (): void {
            mt_srand(42);
            echo mt_rand();
        },
        '/random' => static function (): void {
            echo mt_rand();
        },
        '/process-state' => static function (): void {
            json(process_state());
        },
        '/change-process-state' => static function (): void {
            change_process_state();
            json(process_state());
        },
    ];
}

final class AsksInDestructor
{
    public function __destruct()
    {
        try {
            \supercharger_handle_request(static fn () => print 'served in a destructor');
        } catch (\RuntimeException) {
            mark('refused-in-destructor');
        }
    }
}

/** Everything of the process that a request may change and that FPM would put back. @return array<string, mixed> */
function process_state(): array
{
    $handler = set_error_handler(null);
    restore_error_handler();
    $exceptions = set_exception_handler(null);
    restore_exception_handler();
    $umask = umask();

    return [
        'ini' => ini_get_all(null, false),
        'environment' => array_diff_key(getenv(), ['' => 1]),
        'cwd' => getcwd(),
        'locale' => setlocale(\LC_ALL, '0'),
        'timezone' => date_default_timezone_get(),
        'umask' => $umask,
        'error_reporting' => error_reporting(),
        'error_handler' => get_debug_type($handler),
        'exception_handler' => get_debug_type($exceptions),
        'strtok' => strtok(' '),
    ];
}

function change_process_state(): void
{
    ini_set('precision', '5');
    ini_set('memory_limit', '200M');
    ini_set('default_charset', 'ISO-8859-1');
    putenv('CHANGED=1');
    putenv('ORIGINAL=changed');
    putenv('PATH');
    chdir('/');
    setlocale(\LC_ALL, 'C.UTF-8', 'C.utf8', 'en_US.UTF-8');
    date_default_timezone_set('Asia/Tokyo');
    umask(0o777);
    error_reporting(\E_ERROR);
    set_error_handler(static fn () => true);
    set_error_handler(static fn () => true);
    set_exception_handler(static function (): void {});
    set_time_limit(77);
    strtok('left over words', ' ');
    register_tick_function(static function (): void {});
}
