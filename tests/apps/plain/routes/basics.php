<?php

declare(strict_types=1);

namespace App;

/** @return array<string, callable(): void> */
function basics(): array
{
    return [
        '/' => static function (): void {
            echo 'hello';
        },
        '/pid' => static function (): void {
            echo getmypid();
        },
        // Each channel's nonce after a pause, so that parallel requests have every chance to see each other's.
        '/echo' => static function (): void {
            usleep((int) ($_GET['us'] ?? 2000));
            json([
                'get' => $_GET['nonce'] ?? null,
                'post' => $_POST['nonce'] ?? null,
                'cookie' => $_COOKIE['nonce'] ?? null,
                'header' => $_SERVER['HTTP_X_NONCE'] ?? null,
                'query' => $_SERVER['QUERY_STRING'],
                'request_id' => $_SERVER['HTTP_X_REQUEST_ID'] ?? null,
            ]);
        },
        // Says in a file when it was run.
        '/note' => static function (): void {
            file_put_contents(test_dir().'/notes', $_GET['line']."\n", \FILE_APPEND | \LOCK_EX);
        },
        '/state' => static function (): void {
            json(state());
        },
        // Leaves traces of every kind behind; /state on the same worker must show none of them.
        '/litter' => static function (): void {
            litter();
        },
        '/reply' => static function (): void {
            reply();
        },
        '/headers' => static function (): void {
            json(getallheaders());
        },
        '/method' => static function (): void {
            echo $_SERVER['REQUEST_METHOD'];
        },
        '/body' => static function (): void {
            echo str_repeat($_GET['fill'] ?? 'x', (int) ($_GET['n'] ?? 0));
        },
        // Needs this much memory, in small pieces.
        '/need' => static function (): void {
            $pieces = [];
            for ($bytes = (int) $_GET['n']; $bytes > 0; $bytes -= 10_000) {
                $pieces[] = str_repeat('n', 10_000);
            }
            echo \count($pieces);
        },
        '/big' => static function (): void {
            big((int) ($_GET['n'] ?? 0));
        },
        '/input' => static function (): void {
            $first = file_get_contents('php://input');
            $again = file_get_contents('php://input');
            json([
                'length' => \strlen($first),
                'fnv1a64' => hash('fnv1a64', $first),
                'rereadable' => $again === $first,
                'content_length' => $_SERVER['CONTENT_LENGTH'] ?? null,
                'content_type' => $_SERVER['CONTENT_TYPE'] ?? null,
                'post' => $_POST,
            ]);
        },
        '/upload' => static function (): void {
            json(['post' => $_POST, 'files' => array_map(static fn (array $file): array => [
                'name' => $file['name'],
                'type' => $file['type'],
                'error' => $file['error'],
                'size' => $file['size'],
                'uploaded' => is_uploaded_file($file['tmp_name']),
                'tmp_name' => $file['tmp_name'],
                'fnv1a64' => \UPLOAD_ERR_OK === $file['error'] ? hash_file('fnv1a64', $file['tmp_name']) : null,
            ], $_FILES)]);
        },
        '/session' => static function (): void {
            $before = isset($_SESSION) ? $_SESSION : null;
            $idBefore = session_id();
            session_start();
            $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
            json(['count' => $_SESSION['count'], 'before' => $before, 'id_before' => $idBefore, 'owner' => $_SESSION['owner'] ?? null]);
        },
        '/session-own' => static function (): void {
            session_start();
            $_SESSION['owner'] = $_GET['owner'];
            if (isset($_GET['exit'])) {
                echo 'left open';
                exit(0);
            }
        },
        '/worker' => static function (): void {
            json(supercharger_worker() + ['pid' => getmypid()]);
        },
        '/request-id' => static function (): void {
            json(['function' => supercharger_request_id(), 'server' => $_SERVER['HTTP_X_REQUEST_ID'] ?? null]);
        },
        '/opcache' => static function (): void {
            $status = \function_exists('opcache_get_status') ? opcache_get_status(false) : false;
            json([
                'enabled' => $status['opcache_enabled'] ?? false,
                'cached' => \function_exists('opcache_is_script_cached') && opcache_is_script_cached(__FILE__),
                'sapi' => \PHP_SAPI,
                'zts' => \PHP_ZTS,
                'version' => \PHP_VERSION,
            ]);
        },
        '/opcache-reset' => static function (): void {
            echo opcache_reset() ? 'reset' : 'refused';
        },
        '/functions' => static function (): void {
            json(array_map('function_exists', array_combine(array_keys($_GET), array_keys($_GET))));
        },
        '/fiber' => static function (): void {
            $fiber = new \Fiber(static function (): void {
                echo 'in ', \Fiber::suspend('out '), ' again';
            });
            echo $fiber->start();
            $fiber->resume('fiber');
        },
        '/object' => static function (): void {
            static $kept = null;
            $kept ??= new \stdClass();
            $kept->count = ($kept->count ?? 0) + 1;
            json(['id' => spl_object_id($kept), 'count' => $kept->count]);
        },
        '/log' => static function (): void {
            supercharger_log((string) $_GET['message'], (int) ($_GET['level'] ?? 0), ['nested' => ['value' => 7]]);
            echo 'logged';
        },
        '/error-log' => static function (): void {
            error_log((string) $_GET['message']);
            echo 'logged';
        },
        '/env' => static function (): void {
            $name = (string) $_GET['name'];
            if (isset($_GET['value'])) {
                putenv($name.'='.$_GET['value']);
            }
            json(['getenv' => getenv($name), 'server' => $_SERVER[$name] ?? null]);
        },
        '/shutdown-function' => static function (): void {
            register_shutdown_function(static function (): void {
                echo ' and from the shutdown function';
            });
            echo 'from the handler';
        },
    ];
}

/** @return array<string, mixed> */
function state(): array
{
    return [
        'get' => $_GET,
        'post' => $_POST,
        'cookie' => $_COOKIE,
        'files' => $_FILES,
        'request' => $_REQUEST,
        'server' => $_SERVER,
        'session' => isset($_SESSION) ? $_SESSION : null,
        'session_id' => session_id(),
        'session_status' => session_status(),
        'status' => http_response_code(),
        'response_headers' => headers_list(),
        'ob_level' => ob_get_level(),
        'precision' => ini_get('precision'),
        'timezone' => date_default_timezone_get(),
        'cwd' => getcwd(),
        'umask' => umask(),
        'litter_env' => getenv('LITTER'),
        'locale' => setlocale(\LC_ALL, '0'),
        'error_get_last' => error_get_last(),
        'memory_limit' => ini_get('memory_limit'),
        'max_execution_time' => ini_get('max_execution_time'),
        'raw_body' => file_get_contents('php://input'),
        'worker' => \function_exists('supercharger_worker') ? supercharger_worker() : null,
    ];
}

function litter(): void
{
    session_start();
    $_SESSION['litter'] = 'yes';
    $_GET['litter'] = $_POST['litter'] = $_COOKIE['litter'] = $_REQUEST['litter'] = $_SERVER['LITTER'] = 'yes';
    $_FILES['litter'] = ['name' => 'litter'];
    ini_set('precision', '3');
    ini_set('memory_limit', '300M');
    set_time_limit(55);
    header('X-Litter: yes');
    setcookie('litter', 'yes');
    http_response_code(418);
    $value = @$undefinedVariable; // leaves something in error_get_last()
    echo 'litter';
    // Never closed by this request: two levels of output buffering with content.
    ob_start();
    echo ' buffered';
    ob_start();
    echo ' twice';
}

/** An answer by recipe: status, header lines and body from the query. */
function reply(): void
{
    foreach ((array) ($_GET['header'] ?? []) as $line) {
        header((string) $line, false);
    }
    if (isset($_GET['status'])) {
        http_response_code((int) $_GET['status']);
    }
    echo $_GET['body'] ?? '';
}

/** N bytes whose content depends on their position, so that a lost or doubled piece is seen. */
function big(int $bytes): void
{
    for ($sent = 0, $line = 0; $sent < $bytes; ++$line) {
        $piece = substr(sprintf("%015d\n", $line), 0, $bytes - $sent);
        $sent += \strlen($piece);
        echo $piece;
    }
}
