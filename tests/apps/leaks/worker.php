<?php

declare(strict_types=1);

/*
 * Runs the patterns: /NAME?user=U has patterns/NAME.php serve user U. A pattern is a function from the user of this request to what it
 * finds of the request before. Each keeps something on purpose; tests/it/leaks.rs compares what the next request sees, what the drift
 * detector says and what the scan says with docs/leaks.md.
 */

namespace Leaks;

/** The one object that the application shares, as a container would. */
final class Application
{
    /** @var array<string, \Closure(string): mixed> */
    private array $patterns = [];

    public function serve(): void
    {
        $name = trim(explode('?', $_SERVER['REQUEST_URI'], 2)[0], '/');
        if ('recycle' === $name) {
            supercharger_recycle('next pattern');

            return;
        }
        $pattern = $this->patterns[$name] ??= require __DIR__.'/patterns/'.basename($name).'.php';
        echo json_encode($pattern($_GET['user'])), "\n";
    }
}

$application = new Application();
$handler = $application->serve(...);
while (supercharger_handle_request($handler)) {
}
