<?php

declare(strict_types=1);

/*
 * The server's functions, as the loop sees them: in its namespace, in front of the real ones. What the server does between two
 * requests is done here in the same order. The real loop is tested by tests/it.
 */

namespace Supercharger\Runtime\Tests {
    final class Loop
    {
        /** @var array<string, \Closure> */
        public static array $resetters = [];

        /** @var list<array{int, array<string, \Throwable>}> */
        public static array $reports = [];

        /** @var list<string> */
        public static array $log = [];

        /** @var list<\Closure(): void> what prepares each request */
        public static array $requests = [];

        private static bool $served = false;

        /** @param list<\Closure(): void> $requests */
        public static function with(array $requests): void
        {
            [self::$requests, self::$resetters, self::$reports, self::$log, self::$served] = [$requests, [], [], [], false];
        }

        public static function handle(callable $handler): bool
        {
            foreach (self::$served ? self::$resetters : [] as $name => $resetter) {
                try {
                    $resetter();
                } catch (\Throwable $e) {
                    self::$reports[] = [1, [$name => $e]];
                }
            }
            $prepare = array_shift(self::$requests);
            if (null === $prepare) {
                return false;
            }
            $_SERVER = ['REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/', 'SCRIPT_NAME' => '/index.php', 'SCRIPT_FILENAME' => '/index.php'];
            $prepare();
            self::$served = true;
            $handler();

            return true;
        }
    }
}

namespace Supercharger\Runtime {
    use Supercharger\Runtime\Tests\Loop;

    function supercharger_handle_request(callable $handler): bool
    {
        return Loop::handle($handler);
    }

    function supercharger_on_reset(callable $resetter, string $name = ''): void
    {
        Loop::$resetters[$name] = $resetter(...);
    }

    /** @param array<string, \Throwable> $failures */
    function supercharger_reset_report(int $count, array $failures = []): void
    {
        Loop::$reports[] = [$count, $failures];
    }

    /** @param array<string, mixed> $context */
    function supercharger_log(string $message, int $level = 0, array $context = []): void
    {
        Loop::$log[] = $message.' '.json_encode($context);
    }

    /** @return array{mode: string} */
    function supercharger_worker(): array
    {
        return ['mode' => 'worker'];
    }
}
