<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle\Console;

use Supercharger\Runtime\Bundle\Validation;
use Symfony\Component\Console\Attribute\AsCommand;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

#[AsCommand('runtime:supercharger:validate', 'Says what is wrong with the settings of the runtime; exit code 1 if anything is')]
final class ValidateCommand extends Command
{
    /** @param array<string, mixed> $settings */
    public function __construct(private readonly array $settings)
    {
        parent::__construct();
    }

    protected function configure(): void
    {
        $this->setHelp('Prints JSON: <info>ok</info>, and <info>issue</info>, a list of code, message and meta. What is wrong in a file has been refused when the container was compiled; this looks at variables of the environment, too.');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $report = Validation::of($this->settings, getenv());
        $output->writeln(Json::of($report), OutputInterface::OUTPUT_RAW);

        return $report['ok'] ? self::SUCCESS : self::FAILURE;
    }
}
