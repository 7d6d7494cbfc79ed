<?php

declare(strict_types=1);

namespace App;

/*
 * Every piece of process state that a request can change and a script can see: how to look at it and how to change it. A piece
 * that does not look different after its change is a fault of this list; the test says so.
 */

final class Piece
{
    /**
     * @param \Closure(): mixed $see
     * @param \Closure(): void  $change
     */
    public function __construct(
        public readonly string $name,
        public readonly \Closure $see,
        public readonly \Closure $change,
    ) {
    }
}

/** @return array<string, callable(): void> */
function process(): array
{
    return [
        '/process' => static function (): void {
            json(see_state());
        },
        // Says what it saw before and after its changes in a marker file, because not every ending can answer.
        '/state-change' => static function (): void {
            $end = query('end');
            if ('finish' === $end) {
                echo 'finished';
                \supercharger_finish_request();
            }
            if ('terminate' === $end) {
                Terminate::$step = change_state(...);
                echo 'answered';

                return;
            }
            change_state();
            if ('exception' === $end) {
                // It answers uncaught exceptions itself and ends the script.
                use_soap_error_handler(false);
                throw new \LogicException('after the changes');
            }
            if ('finish' !== $end) {
                // Headers have been changed as well; the body shall be read all the same.
                header_remove('Content-Encoding');
                echo 'changed';
            }
        },
        '/state-code' => static function (): void {
            json(Code::see());
        },
        '/state-code-register' => static function (): void {
            Code::register();
            json(Code::see());
        },
        '/heap' => static function (): void {
            gc_collect_cycles();
            echo memory_get_usage();
        },
        '/state-quiet-change' => static function (): void {
            change_pieces();
            echo 'changed';
        },
        // Other values than boots-state.php has set.
        '/state-boot-change' => static function (): void {
            set_state('UTF-8', 'long', false, '.request', \MYSQLI_REPORT_OFF, 9, '/', 'request');
            gc_enable();
            pcntl_signal(\SIGURG, \SIG_IGN);
            libxml_set_external_entity_loader(null);
            set_error_handler(null);
            echo 'changed';
        },
        '/signal-own' => static function (): void {
            $caught = 0;
            pcntl_async_signals(true);
            pcntl_signal(\SIGURG, static function () use (&$caught): void {
                ++$caught;
            });
            for ($sent = 1; $sent <= 20; ++$sent) {
                // To the process: any thread of it may be interrupted.
                posix_kill(getmypid(), \SIGURG);
                $end = microtime(true) + 5;
                while ($caught < $sent && microtime(true) < $end) {
                    usleep(100);
                }
            }
            echo "caught $caught of 20";
        },
        '/signal-left' => static function (): void {
            echo \SIG_DFL === pcntl_signal_get_handler(\SIGURG) ? 'default' : 'a handler';
        },
        '/signal-refused' => static function (): void {
            $given = [
                @pcntl_signal(\SIGTERM, static function (): void {}),
                @pcntl_signal(\SIGTERM, \SIG_IGN),
                @pcntl_signal(\SIGINT, \SIG_DFL),
            ];
            json(['given' => $given, 'warning' => error_get_last()['message'] ?? null]);
        },
        '/same-ticks' => static function (): void {
            Ticks::$run = 0;
            register_tick_function(Ticks::run(...));
            Ticks::loop();
            echo Ticks::$run;
        },
        '/predictable-gmp' => static function (): void {
            gmp_random_seed(42);
            echo gmp_strval(gmp_random_bits(100));
        },
        '/random-gmp' => static function (): void {
            echo gmp_strval(gmp_random_bits(100));
        },
        '/session-name' => static function (): void {
            if (null !== query('name')) {
                session_name(query('name'));
            }
            echo session_name();
        },
        '/env-array' => static function (): void {
            json([$_ENV['BOOTED'] ?? null, $_ENV['REQUEST'] ?? null, $_ENV['ORIGINAL'] ?? null]);
            $_ENV['REQUEST'] = 'written';
            $_ENV['BOOTED'] = 'changed';
        },
        // The last file asked about is remembered, until this program changes a file.
        '/filesize' => static function (): void {
            echo filesize(test_dir().'/grows');
        },
        '/getopt' => static function (): void {
            json([
                'options' => getopt('a:b::', ['worker::']),
                'in_server' => array_values(array_intersect(
                    ['FRANKENPHP_WORKER', 'FRANKENPHP_LOOP_MAX', 'argv', 'argc'],
                    array_keys($_SERVER),
                )),
                'in_getenv' => getenv('FRANKENPHP_WORKER'),
            ]);
        },
        '/gz' => static function (): void {
            ob_start('ob_gzhandler');
            echo str_repeat('compressed ', 200);
        },
        '/long-text' => static function (): void {
            echo str_repeat('compressed ', 200);
        },
        // Handles that PHP code keeps are the application's, whatever becomes of the requests.
        '/stream-hold' => static function (): void {
            $GLOBALS['words'] = fopen(test_dir().'/words', 'r');
            $GLOBALS['memory'] = fopen('php://temp', 'w+');
            $GLOBALS['temporary'] = fopen('php://temp/maxmemory:10', 'w+');
            fwrite($GLOBALS['memory'], "one\ntwo\nthree\n");
            fwrite($GLOBALS['temporary'], str_repeat('long ', 20)."\nsecond\nthird\n");
            rewind($GLOBALS['memory']);
            rewind($GLOBALS['temporary']);
            read_held();
        },
        '/stream-next' => static function (): void {
            read_held();
        },
        '/stream-drop' => static function (): void {
            unset($GLOBALS['words'], $GLOBALS['memory'], $GLOBALS['temporary']);
            echo 'dropped';
        },
        '/persistent' => static function (): void {
            static $object = null;
            $object ??= new \ArrayObject();
            $object[] = 1;
            json(['id' => spl_object_id($object), 'count' => \count($object)]);
        },
        // The file names $_REQUEST, so the engine makes it when the file is compiled (auto_globals_jit).
        '/request-array' => static function (): void {
            if (null !== query('use')) {
                require_once __DIR__.'/../names-request.php';
                json(names_request());

                return;
            }
            echo 'not used';
        },
    ];
}

/** What a boot script and a request may both set. */
function set_state(string $encoding, string $substitute, bool $on, string $extensions, int $report, int $scale, string $folder, string $agent): void
{
    mb_internal_encoding($encoding);
    mb_regex_encoding($encoding);
    mb_substitute_character($substitute);
    libxml_use_internal_errors($on);
    libxml_set_external_entity_loader(static fn () => null);
    libxml_set_streams_context(stream_context_create(['http' => ['user_agent' => $agent]]));
    stream_context_set_default(['http' => ['user_agent' => $agent]]);
    spl_autoload_extensions($extensions);
    use_soap_error_handler($on);
    mysqli_report($report);
    pcntl_async_signals($on);
    bcscale($scale);
    register_tick_function(Ticks::run(...));
    set_error_handler(static fn () => false);
    chdir($folder);
}

/** A parameter of the query, whatever has become of $_GET. */
function query(string $name): ?string
{
    parse_str((string) parse_url($_SERVER['REQUEST_URI'], \PHP_URL_QUERY), $values);
    $value = $values[$name] ?? null;

    return \is_string($value) ? $value : null;
}

function read_held(): void
{
    json([fgets($GLOBALS['words']), fgets($GLOBALS['memory']), \strlen((string) fgets($GLOBALS['temporary']))]);
}

final class Ticks
{
    public static int $run = 0;

    public static function run(): void
    {
        ++self::$run;
    }

    public static function loop(): void
    {
        declare(ticks=1) {
            $a = 1;
            $b = 2;
        }
    }
}

/** What makes the application what it is: a request may add to it, and it stays. */
final class Code
{
    /** @return array<string, bool> */
    public static function see(): array
    {
        return [
            'autoloader' => class_exists('MadeByAnAutoloader'),
            'class' => class_exists('MadeByARequest', false),
            'function' => \function_exists('made_by_a_request'),
            'constant' => \defined('MADE_BY_A_REQUEST'),
            'wrapper' => \in_array('madebyarequest', stream_get_wrappers(), true),
            'filter' => \in_array('made.by.a.request', stream_get_filters(), true),
            'global' => isset($GLOBALS['made_by_a_request']),
        ];
    }

    public static function register(): void
    {
        spl_autoload_register(static function (string $class): void {
            if ('MadeByAnAutoloader' === $class) {
                eval('class MadeByAnAutoloader {}');
            }
        });
        eval('class MadeByARequest {} function made_by_a_request() {}');
        \define('MADE_BY_A_REQUEST', 1);
        stream_wrapper_register('madebyarequest', ConstantStream::class);
        stream_filter_register('made.by.a.request', \php_user_filter::class);
        $GLOBALS['made_by_a_request'] = 1;
    }
}

/** Stands in the place of a wrapper of PHP's. */
final class ConstantStream
{
    /** @var resource|null */
    public $context;
    private bool $read = false;

    public function stream_open(): bool
    {
        return true;
    }

    public function stream_read(): string
    {
        $text = $this->read ? '' : 'replaced';
        $this->read = true;

        return $text;
    }

    public function stream_eof(): bool
    {
        return $this->read;
    }

    /** @return array<string, int> */
    public function stream_stat(): array
    {
        return [];
    }
}

/** Notes the stream context that libxml opens it with. */
final class SeesContext
{
    /** @var resource|null */
    public $context;
    /** @var array<mixed> */
    public static array $seen = [];

    /** @return array<string, int> */
    public function url_stat(): array
    {
        return [];
    }

    public function stream_open(): bool
    {
        self::$seen = $this->context ? stream_context_get_options($this->context) : [];

        return false;
    }
}
stream_wrapper_register('seescontext', SeesContext::class);

/** @return array<string, string> a value each, as JSON: what is the same looks the same */
function see_state(): array
{
    $seen = [];
    foreach (pieces() as $piece) {
        $seen[$piece->name] = ($piece->see)();
    }
    // Afterwards, since it sets json_last_error().
    $flags = \JSON_THROW_ON_ERROR | \JSON_PARTIAL_OUTPUT_ON_ERROR | \JSON_INVALID_UTF8_SUBSTITUTE;
    $seen = array_map(static fn (mixed $value): string => json_encode($value, $flags), $seen);
    ksort($seen);

    return $seen;
}

/** Changes one piece after the other and looks at each before and after. The file says which look the same: none may. */
function change_state(): void
{
    $same = [];
    // The first pieces are those that looking at others would disturb.
    foreach (array_reverse(pieces()) as $piece) {
        $before = serialize(($piece->see)());
        ($piece->change)();
        if (serialize(($piece->see)()) === $before) {
            $same[] = $piece->name;
        }
    }
    // Once more without looking, because looking may undo.
    change_pieces();
    file_put_contents(query('mark') ?? test_dir().'/unchanged', implode(', ', $same).'.');
}

function change_pieces(): void
{
    foreach (array_reverse(pieces()) as $piece) {
        ($piece->change)();
    }
}

/** @return list<Piece> */
function pieces(): array
{
    static $pieces = null;

    return $pieces ??= [
        ...error_pieces(),
        ...stream_pieces(),
        ...process_pieces(),
        ...ini_pieces(),
        ...handler_pieces(),
        ...module_pieces(),
        ...xml_pieces(),
        ...request_pieces(),
    ];
}

/** The last errors: looked at before anything can make another. @return list<Piece> */
function error_pieces(): array
{
    return [
        new Piece('error_get_last', error_get_last(...), static fn () => @trigger_error('left behind')),
        new Piece('json_last_error', json_last_error(...), static fn () => json_decode('{')),
        new Piece('preg_last_error', preg_last_error(...), static fn () => @preg_match('/(?:\D+|<\d+>)*[!?]/', str_repeat('foobar ', 500))),
        new Piece('date_get_last_errors', date_get_last_errors(...), static fn () => date_create('no date')),
        new Piece('intl_get_error_code', intl_get_error_code(...), static fn () => \Normalizer::normalize("\xff")),
        new Piece('openssl_error_string', openssl_error_string(...), static function (): void {
            openssl_pkey_get_public('no key');
            openssl_pkey_get_public('no key');
        }),
        new Piece('socket_last_error', socket_last_error(...), static function (): void {
            $socket = socket_create(\AF_INET, \SOCK_STREAM, \SOL_TCP);
            @socket_connect($socket, '127.0.0.1', 1);
        }),
        new Piece('mysqli_connect_error', mysqli_connect_error(...), static function (): void {
            mysqli_report(\MYSQLI_REPORT_OFF);
            @mysqli_connect('127.0.0.1', 'nobody', 'nothing', 'nowhere', 1);
        }),
        new Piece('illegal_chars of mbstring', static fn () => mb_get_info('illegal_chars'), static fn () => mb_convert_encoding("\xff\xff", 'UTF-16', 'UTF-8')),
    ];
}

/** @return list<Piece> */
function stream_pieces(): array
{
    return [
        new Piece('folder of readdir()', static function (): string {
            try {
                return \is_string(readdir()) ? 'an entry' : 'the end';
            } catch (\TypeError) {
                return 'none';
            }
        }, static fn () => opendir('/')),
        new Piece('default stream context', static fn () => stream_context_get_options(stream_context_get_default()), static fn () => stream_context_set_default(['http' => ['user_agent' => 'left behind']])),
        new Piece('unregistered stream wrapper', static fn () => \in_array('glob', stream_get_wrappers(), true), static fn () => @stream_wrapper_unregister('glob')),
        new Piece('replaced stream wrapper', static fn () => @file_get_contents('data:,real'), static function (): void {
            @stream_wrapper_unregister('data');
            stream_wrapper_register('data', ConstantStream::class);
        }),
        new Piece('http_get_last_response_headers', http_get_last_response_headers(...), static function (): void {
            // The test runs a server for it.
            if (null === query('http')) {
                return;
            }
            file_get_contents('http://'.query('http').'/', false, stream_context_create());
        }),
    ];
}

/** @return list<Piece> */
function process_pieces(): array
{
    return [
        new Piece('getenv', static fn () => [getenv('CHANGED'), getenv('ORIGINAL'), getenv('PATH')], static function (): void {
            putenv('CHANGED=1');
            putenv('ORIGINAL=changed');
            putenv('PATH');
        }),
        new Piece('umask', umask(...), static fn () => umask(0o177)),
        new Piece('getcwd', getcwd(...), static fn () => chdir('/')),
        new Piece('setlocale', static fn () => setlocale(\LC_ALL, '0'), static fn () => setlocale(\LC_ALL, 'C.UTF-8', 'C.utf8', 'en_US.UTF-8')),
        new Piece('date_default_timezone_get', date_default_timezone_get(...), static fn () => date_default_timezone_set('Asia/Tokyo')),
        new Piece('pcntl_signal_get_handler', static fn () => \is_object(pcntl_signal_get_handler(\SIGURG)), static fn () => pcntl_signal(\SIGURG, static function (): void {})),
        new Piece('signal dispositions', signal_dispositions(...), static fn () => pcntl_signal(\SIGWINCH, \SIG_IGN)),
        new Piece('signal mask', static function (): string {
            preg_match('/^SigBlk:\s*(\w+)/m', (string) file_get_contents('/proc/thread-self/status'), $line);

            return $line[1];
        }, static fn () => pcntl_sigprocmask(\SIG_BLOCK, [\SIGWINCH])),
        new Piece('pcntl_async_signals', static fn () => pcntl_async_signals(), static fn () => pcntl_async_signals(true)),
        new Piece('peak of memory', static fn () => memory_get_peak_usage() > 20_000_000, static function (): void {
            str_repeat('x', 20_000_000);
        }),
    ];
}

/** The signals that this process ignores or catches, as the kernel tells them. @return list<string> */
function signal_dispositions(): array
{
    preg_match_all('/^Sig(?:Ign|Cgt):\s*\w+/m', (string) file_get_contents('/proc/self/status'), $lines);

    return $lines[0];
}

/** Settings with a function of their own, and settings that only ini_set() changes. @return list<Piece> */
function ini_pieces(): array
{
    $pieces = [
        new Piece('all ini settings but those of sessions', static fn () => array_filter(
            ini_get_all(null, false),
            static fn (string $name): bool => !str_starts_with($name, 'session.'),
            \ARRAY_FILTER_USE_KEY,
        ), static fn () => ini_set('assert.exception', '0')),
        new Piece('error_reporting', error_reporting(...), static fn () => error_reporting(\E_ERROR)),
        new Piece('time limit', static fn () => ini_get('max_execution_time'), static fn () => set_time_limit(77)),
        new Piece('include_path', get_include_path(...), static fn () => set_include_path('/nowhere')),
        new Piece('gc_enabled', gc_enabled(...), static fn () => gc_disable()),
        new Piece('bcscale', bcscale(...), static fn () => bcscale(7)),
        new Piece('Locale::getDefault', \Locale::getDefault(...), static fn () => \Locale::setDefault('de_AT')),
        new Piece('mb_language', static fn () => mb_language(), static fn () => mb_language('ja')),
        new Piece('iconv_get_encoding', static fn () => iconv_get_encoding('internal_encoding'), static fn () => ini_set('default_charset', 'ISO-8859-2')),
        new Piece('opcache.enable', static fn () => ini_get('opcache.enable'), static fn () => ini_set('opcache.enable', '0')),
        new Piece('open_basedir', static fn () => ini_get('open_basedir'), static fn () => ini_set('open_basedir', '/')),
    ];
    foreach ([
        'precision' => '5', 'memory_limit' => '200M', 'default_socket_timeout' => '7', 'user_agent' => 'left behind',
        'pcre.backtrack_limit' => '7777', 'serialize_precision' => '3', 'display_errors' => 'stderr', 'error_log' => '/dev/null',
        'zlib.output_compression_level' => '3', 'arg_separator.output' => ';', 'mbstring.strict_detection' => '1',
    ] as $name => $value) {
        $pieces[] = new Piece("ini $name", static fn () => ini_get($name), static fn () => ini_set($name, $value));
    }

    return $pieces;
}

/** @return list<Piece> */
function handler_pieces(): array
{
    return [
        new Piece('error handler', static function (): string {
            $handler = set_error_handler(null);
            restore_error_handler();

            return get_debug_type($handler);
        }, static fn () => set_error_handler(static fn () => false)),
        new Piece('exception handler', static function (): string {
            $handler = set_exception_handler(null);
            restore_exception_handler();

            return get_debug_type($handler);
        }, static fn () => set_exception_handler(static fn (\Throwable $thrown) => throw $thrown)),
        new Piece('callback of assert_options', static fn () => get_debug_type(@assert_options(\ASSERT_CALLBACK)), static fn () => @assert_options(\ASSERT_CALLBACK, static function (): void {})),
        new Piece('tick functions', static function (): bool {
            Ticks::$run = 0;
            Ticks::loop();

            return Ticks::$run > 0;
        }, static fn () => register_tick_function(Ticks::run(...))),
        new Piece('spl_autoload_extensions', static fn () => spl_autoload_extensions(), static fn () => spl_autoload_extensions('.left')),
        new Piece('use_soap_error_handler', static function (): bool {
            $was = use_soap_error_handler(true);
            use_soap_error_handler($was);

            return $was;
        }, static fn () => use_soap_error_handler(true)),
        new Piece('mysqli_report', static fn () => (new \mysqli_driver())->report_mode, static fn () => mysqli_report(\MYSQLI_REPORT_INDEX)),
    ];
}

/** @return list<Piece> */
function module_pieces(): array
{
    return [
        new Piece('strtok', static fn () => strtok(' '), static fn () => strtok('left over words and more of them', ' ')),
        new Piece('mb_internal_encoding', static fn () => mb_internal_encoding(), static fn () => mb_internal_encoding('ISO-8859-2')),
        new Piece('mb_http_output', static fn () => mb_http_output(), static fn () => mb_http_output('SJIS')),
        new Piece('mb_substitute_character', static fn () => mb_substitute_character(), static fn () => mb_substitute_character('long')),
        new Piece('mb_detect_order', static fn () => mb_detect_order(), static fn () => mb_detect_order('UTF-8,EUC-JP')),
        new Piece('mb_regex_encoding', static fn () => mb_regex_encoding(), static fn () => mb_regex_encoding('EUC-JP')),
        new Piece('mb_regex_set_options', static fn () => mb_regex_set_options(), static fn () => mb_regex_set_options('ix')),
        new Piece('mb_ereg_search', static function (): mixed {
            try {
                return mb_ereg_search();
            } catch (\Error) {
                return 'no search';
            }
        }, static fn () => mb_ereg_search_init('left over text', '[a-z]+')),
    ];
}

/** @return list<Piece> */
function xml_pieces(): array
{
    return [
        new Piece('entity loader switched off', static function (): bool {
            $off = @libxml_disable_entity_loader(false);
            @libxml_disable_entity_loader($off);

            return $off;
        }, static fn () => @libxml_disable_entity_loader(true)),
        new Piece('libxml_get_errors', static fn () => \count(libxml_get_errors()), static function (): void {
            libxml_use_internal_errors(true);
            (new \DOMDocument())->loadXML('<left><behind>');
        }),
        new Piece('libxml_get_last_error', static fn () => \is_object(libxml_get_last_error()), static function (): void {
            libxml_use_internal_errors(true);
            (new \DOMDocument())->loadXML('<left><behind>');
        }),
        new Piece('external entity loader', static fn () => get_debug_type(libxml_get_external_entity_loader()), static fn () => libxml_set_external_entity_loader(static fn () => null)),
        new Piece('stream context of libxml', static function (): array {
            $loader = libxml_get_external_entity_loader();
            libxml_set_external_entity_loader(null);
            @(new \DOMDocument())->load('seescontext://document');
            libxml_set_external_entity_loader($loader);
            libxml_clear_errors();

            return SeesContext::$seen;
        }, static fn () => libxml_set_streams_context(stream_context_create(['http' => ['user_agent' => 'left behind']]))),
        // Changed first, because others need it changed.
        new Piece('libxml_use_internal_errors', static fn () => libxml_use_internal_errors(), static fn () => libxml_use_internal_errors(true)),
    ];
}

/** @return list<Piece> */
function request_pieces(): array
{
    $pieces = [
        new Piece('http_response_code', http_response_code(...), static fn () => http_response_code(202)),
        new Piece('headers_list', headers_list(...), static fn () => header('X-Left: behind')),
        new Piece('output buffers', ob_get_level(...), static fn () => ob_start(static fn (string $text): string => $text)),
        new Piece('status of the session', session_status(...), static fn () => session_start()),
        new Piece('session_id', session_id(...), static function (): void {
            if (\PHP_SESSION_ACTIVE !== session_status()) {
                session_id('leftbehindleftbehind');
            }
        }),
    ];
    foreach (['_GET', '_POST', '_COOKIE', '_FILES', '_REQUEST', '_SERVER', '_ENV', '_SESSION'] as $name) {
        $pieces[] = new Piece("\$$name", static fn () => $GLOBALS[$name]['planted'] ?? null, static function () use ($name): void {
            $GLOBALS[$name]['planted'] = 'left behind';
        });
    }

    return $pieces;
}
