<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\Console\Command\Command;

final class Ending
{
    public function redirect(string $to): void
    {
        header("Location: $to");
        exit; // expect: RS008 warning
    }

    public function fail(): void
    {
        strlen('a') or die('no'); // expect: RS008 warning
    }

    public function onlyInShell(): void
    {
        if (\PHP_SAPI === 'cli') {
            exit(1);
        }
    }
}

final class EndingCommand extends Command
{
    protected function execute(): int
    {
        exit(3);
    }
}
