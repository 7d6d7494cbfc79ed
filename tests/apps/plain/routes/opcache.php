<?php

declare(strict_types=1);

namespace App;

/*
 * OPcache under many threads: what it shares must not go away while anybody uses it.
 */

/** A large script that returns a function of its own: 20,000 numbers take about 320 KiB of OPcache's memory. */
function large_script(int $number): string
{
    return "<?php return static function (): int {\n"
        ."    static \$numbers = [".implode(',', range($number, $number + 19_999))."];\n"
        ."    return array_sum(\$numbers);\n};\n";
}

/** What its function returns. */
function large_sum(int $number): int
{
    return 20_000 * $number + 19_999 * 10_000;
}

final class Kept
{
    /** @var array<int, \Closure(): int> Functions of scripts that are long invalid; a worker keeps some, as its container would. */
    public static array $functions = [];
}

/** @return array<string, callable(): void> */
function opcache(): array
{
    return [
        '/opcache-restarts' => static function (): void {
            $status = opcache_get_status(false);
            $of = static fn (string $name): int => $status['opcache_statistics'][$name];
            json([
                'enabled' => $status['opcache_enabled'],
                'pending' => $status['restart_pending'],
                'manual' => $of('manual_restarts'),
                'oom' => $of('oom_restarts'),
                'hash' => $of('hash_restarts'),
            ]);
        },
        '/opcache-status' => static function (): void {
            json(opcache_get_status(false));
        },
        // Compiles a script of its own, has it cached and invalidates it: memory is wasted until OPcache restarts by itself.
        '/opcache-waste' => static function (): void {
            $number = (int) $_GET['number'];
            $file = test_dir()."/large-$number.php";
            file_put_contents($file, large_script($number));
            Kept::$functions[$number] = require $file;
            opcache_invalidate($file, true);
            unlink($file);
            foreach (Kept::$functions as $number => $function) {
                if (large_sum($number) !== $function()) {
                    http_response_code(500);
                }
            }
            Kept::$functions = \array_slice(Kept::$functions, -4, preserve_keys: true);
            echo 'whole';
        },
        // One script that everybody requires while everybody invalidates it.
        '/opcache-invalidate' => static function (): void {
            $file = test_dir().'/shared.php';
            $function = require $file;
            opcache_invalidate($file, 0 === (int) $_GET['number'] % 2);
            echo large_sum(1) === $function() ? 'whole' : 'broken';
        },
        // More files than the table has places: each is cached under a name of its own.
        '/opcache-many' => static function (): void {
            for ($i = 0; $i < 20; ++$i) {
                $file = test_dir()."/small-{$_GET['number']}-$i.php";
                file_put_contents($file, "<?php return $i;");
                if ($i !== require $file) {
                    http_response_code(500);
                }
                opcache_invalidate($file, true);
                unlink($file);
            }
            echo 'whole';
        },
        '/opcache-version' => static function (): void {
            echo (require test_dir().'/version.php')();
        },
        // A child that lives until the test lets it go, and runs cached code all the time.
        '/opcache-fork' => static function (): void {
            $child = pcntl_fork();
            if (0 === $child) {
                mark('child', (string) getmypid());
                while (!is_file(test_dir().'/child-may-go')) {
                    basics();
                    usleep(1000);
                }
                exit(0);
            }
            echo $child;
        },
        '/opcache-reap' => static function (): void {
            pcntl_waitpid((int) $_GET['child'], $status);
            echo pcntl_wifexited($status) ? pcntl_wexitstatus($status) : 'killed';
        },
    ];
}
