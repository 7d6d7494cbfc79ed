<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle\Console;

use Supercharger\Runtime\Bundle\Validation;
use Symfony\Component\Console\Attribute\AsCommand;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

#[AsCommand('runtime:supercharger:status', 'Shows the settings of the runtime as they are now, and whether they are valid')]
final class StatusCommand extends Command
{
    /** @param array<string, mixed> $settings */
    public function __construct(private readonly array $settings)
    {
        parent::__construct();
    }

    protected function configure(): void
    {
        $this->setHelp('Prints JSON: <info>config</info>, with variables of the environment in their places and no token shown, and <info>validation</info>, what <info>runtime:supercharger:validate</info> says.');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $config = $this->settings;
        if (\is_array($config['endpoint']['security'] ?? null) && null !== ($config['endpoint']['security']['token'] ?? null)) {
            $config['endpoint']['security']['token'] = '[hidden]';
        }
        $output->writeln(Json::of(['config' => $config, 'validation' => Validation::of($this->settings, getenv())]), OutputInterface::OUTPUT_RAW);

        return self::SUCCESS;
    }
}
