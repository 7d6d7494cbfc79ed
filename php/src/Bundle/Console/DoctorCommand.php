<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle\Console;

use Supercharger\Runtime\Bundle\SuperchargerRuntimeBundle;
use Supercharger\Runtime\Bundle\Validation;
use Symfony\Component\Console\Attribute\AsCommand;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\OutputInterface;
use Symfony\Component\HttpKernel\Kernel;

#[AsCommand('runtime:supercharger:doctor', 'Says what would bite this application in a worker, as far as its container knows')]
final class DoctorCommand extends Command
{
    /**
     * @param array<string, mixed>  $settings
     * @param array<string, string> $resetters class by name
     * @param array<string, string> $unreset   services that could be reset and are not, with their classes
     * @param list<string>          $ofTheServer settings that were written here and have their effect there
     */
    public function __construct(
        private readonly array $settings,
        private readonly bool $debug,
        private readonly array $resetters,
        private readonly array $unreset,
        private readonly array $ofTheServer,
    ) {
        parent::__construct();
    }

    protected function configure(): void
    {
        $this->addOption('json', null, InputOption::VALUE_NONE, 'Print JSON');
        $this->setHelp('Exit code 1 if something is an error. What lies outside of the container is said by <info>supercharger doctor</info>.');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $findings = [...$this->ofSettings(), ...$this->ofServices(), ...$this->ofEnvironment()];
        $failed = [] !== array_filter($findings, static fn (array $finding) => 'error' === $finding['severity']);
        if ($input->getOption('json')) {
            $output->writeln(Json::of(['symfony' => Kernel::VERSION, 'php' => \PHP_VERSION, 'resetters' => $this->resetters, 'findings' => $findings]), OutputInterface::OUTPUT_RAW);

            return $failed ? self::FAILURE : self::SUCCESS;
        }
        $output->writeln(\sprintf('Symfony %s, PHP %s, %d resetters: %s', Kernel::VERSION, \PHP_VERSION, \count($this->resetters), implode(', ', array_keys($this->resetters)) ?: 'none'));
        foreach ($findings as $finding) {
            $output->writeln(\sprintf('%-8s %s', $finding['severity'], $finding['message']), OutputInterface::OUTPUT_RAW);
            $output->writeln(\sprintf('%-8s %s', '', $finding['fix']), OutputInterface::OUTPUT_RAW);
        }
        if ([] === $findings) {
            $output->writeln('Nothing to say against it.');
        }

        return $failed ? self::FAILURE : self::SUCCESS;
    }

    /** @return list<array{severity: string, message: string, fix: string}> */
    private function ofSettings(): array
    {
        $findings = [];
        foreach (Validation::of($this->settings, getenv())['issue'] as $issue) {
            $findings[] = self::finding('error', $issue['message'], 'Correct it; runtime:supercharger:validate tells when all is well.');
        }
        foreach ($this->ofTheServer as $setting) {
            $findings[] = self::finding('warning', \sprintf('%s is written here, and only the server can obey it.', $setting), \sprintf('Set %s in supercharger.toml, or its variable.', SuperchargerRuntimeBundle::OF_THE_SERVER[$setting]));
        }
        $reset = (array) ($this->settings['worker']['reset'] ?? []);
        if (!($reset['enabled'] ?? true)) {
            $findings[] = self::finding('error', 'worker.reset.enabled is off: no resetter runs, and one request may see what another has left.', 'Switch it on, or RUNTIME_WORKER_RESET_ENABLED.');
        }
        if (!($reset['kernel'] ?? true)) {
            $findings[] = self::finding('warning', 'worker.reset.kernel is off: Symfony resets its services when the next request has come, which then waits for it.', 'Switch it on, or RUNTIME_WORKER_RESET_KERNEL.');
        }
        if (!($reset['doctrine'] ?? true)) {
            $findings[] = self::finding('warning', 'worker.reset.doctrine is off: open transactions and closed managers stay.', 'Switch it on, or RUNTIME_WORKER_RESET_DOCTRINE.');
        }

        return $findings;
    }

    /** @return list<array{severity: string, message: string, fix: string}> */
    private function ofServices(): array
    {
        $findings = [];
        foreach ($this->unreset as $id => $class) {
            $findings[] = self::finding('warning', \sprintf('The service "%s" (%s) can be reset, and is not.', $id, $class), 'Let it be autoconfigured, or tag it supercharger.resetter.');
        }

        return $findings;
    }

    /** @return list<array{severity: string, message: string, fix: string}> */
    private function ofEnvironment(): array
    {
        $findings = [];
        if ($this->debug) {
            $findings[] = self::finding('warning', 'The kernel is in debug mode: it is slow, and collects data of each request.', 'In production: APP_ENV=prod APP_DEBUG=0 in the environment of the process.');
        }
        if (!\extension_loaded('supercharger')) {
            $findings[] = self::finding('note', 'This PHP is not the one of the server, so its settings are not those that requests meet.', 'Run this command with: supercharger php-cli bin/console ...');
        }

        return $findings;
    }

    /** @return array{severity: string, message: string, fix: string} */
    private static function finding(string $severity, string $message, string $fix): array
    {
        return ['severity' => $severity, 'message' => $message, 'fix' => $fix];
    }
}
