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

abstract class BaseCommand extends Command
{
}

final class FarCommand extends BaseCommand
{
    private static int $run = 0;

    protected function execute(): int
    {
        exit(++self::$run);
    }
}

final class LaravelCommand extends \Illuminate\Console\Command
{
    private static int $run = 0;

    public function handle(): void
    {
        ++self::$run;
    }
}

/** One of a command bus. */
final class PlaceOrder extends Bus\Command
{
    private static array $seen = []; // expect: RS001 error

    public function see(string $id): void
    {
        self::$seen[] = $id;
        '' !== $id or exit(1); // expect: RS008 warning
    }
}

final class EndingCommand extends Command
{
    protected function execute(): int
    {
        exit(3);
    }
}
