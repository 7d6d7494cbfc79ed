<?php

declare(strict_types=1);

namespace Supercharger\Runtime\App;

/**
 * Serves requests with any application: {@see Application::of()} says what may be one.
 *
 * A worker script is no more than
 *
 *     exit(Supercharger\Runtime\App\Loop::run($application));
 *
 * The server carries this class, so a project needs no package for it.
 */
final class Loop
{
    /**
     * @param mixed $application made once, called for each request
     *
     * @return int exit code of the script
     *
     * @throws \LogicException if it is nothing that could be called, or lacks a package; said before the first request
     */
    public static function run(mixed $application): int
    {
        $serve = Application::of($application);
        while (supercharger_handle_request($serve)) {
        }

        return 0;
    }

    /** Runs what the file returns that RUNTIME_APP_ENTRY names, relative to the current folder. */
    public static function entry(): int
    {
        $file = getenv('RUNTIME_APP_ENTRY');
        if (!\is_string($file) || '' === $file) {
            throw new \LogicException('RUNTIME_APP_ENTRY is not set: it names the PHP file that returns the application.');
        }
        if (!is_file($file)) {
            throw new \LogicException(\sprintf('RUNTIME_APP_ENTRY names %s, which is no file (current folder: %s).', $file, (string) getcwd()));
        }

        // Whole: a bare name would be looked for in the include path first. A stream (phar://) has no such path and is whole already.
        $file = realpath($file) ?: $file;

        return self::run((static fn (): mixed => require $file)());
    }
}
