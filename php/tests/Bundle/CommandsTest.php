<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Bundle;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Bundle\Console\DoctorCommand;
use Supercharger\Runtime\Bundle\Console\StatusCommand;
use Supercharger\Runtime\Bundle\Console\ValidateCommand;
use Supercharger\Runtime\Reset\ResetterInterface;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Tester\CommandTester;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Contracts\Service\ResetInterface;

final class CommandsTest extends TestCase
{
    /** @var list<string> */
    private array $set = [];

    protected function tearDown(): void
    {
        foreach ($this->set as $name) {
            putenv($name);
            unset($_SERVER[$name]);
        }
    }

    public function testStatusShowsSettingsAndValidationButNoToken(): void
    {
        $said = $this->json(StatusCommand::class, ['endpoint' => ['security' => ['token' => 'secret-of-someone']]]);
        self::assertSame(['config', 'validation'], array_keys($said));
        self::assertSame(1000, $said['config']['worker']['lifecycle']['max_request']);
        self::assertSame('[hidden]', $said['config']['endpoint']['security']['token']);
        self::assertSame(['ok' => true, 'issue' => []], $said['validation']);
    }

    public function testStatusReadsVariables(): void
    {
        $this->put('RUNTIME_WORKER_MAX_REQUEST', '7');
        self::assertSame(7, $this->json(StatusCommand::class)['config']['worker']['lifecycle']['max_request']);
    }

    /** @param array<string, mixed> $security */
    #[DataProvider('mistakes')]
    public function testValidateNamesTheMistake(?string $variable, string $value, array $security, string $code, string $words): void
    {
        if (null !== $variable) {
            $this->put($variable, $value);
        }
        $said = $this->json(ValidateCommand::class, ['endpoint' => ['security' => $security]], Command::FAILURE);
        self::assertFalse($said['ok']);
        self::assertSame([$code], array_column($said['issue'], 'code'));
        self::assertStringContainsString($words, $said['issue'][0]['message']);
        self::assertIsArray($said['issue'][0]['meta']);
    }

    /** @return iterable<string, array{?string, string, array<string, mixed>, string, string}> */
    public static function mistakes(): iterable
    {
        yield 'no number' => ['RUNTIME_WORKER_MAX_REQUEST', 'many', [], 'maxRequest', '1000 counts'];
        yield 'negative' => ['RUNTIME_WORKER_MAX_UPTIME_SECOND', '-5', [], 'maxUptimeSec', '3600 counts'];
        yield 'no flag' => ['RUNTIME_WORKER_RESET_KERNEL', 'perhaps', [], 'flag', 'yes counts'];
        yield 'mode' => ['RUNTIME_ENDPOINT_SECURITY_MODE', 'strict', [], 'security.mode', 'require_token'];
        yield 'token' => [null, '', ['mode' => 'require_token'], 'security.token', 'nobody is let in'];
        yield 'range' => [null, '', ['allow_cidr' => ['10.0.0.0/8', '10.0.0.0/']], 'security.allowCidr', '10.0.0.0/'];
        yield 'prefix' => [null, '', ['allow_cidr' => ['::1/129']], 'security.allowCidr', '::1/129'];
        yield 'letters' => [null, '', ['allow_cidr' => ['10.0.0.0/abc']], 'security.allowCidr', 'abc'];
        yield 'not text' => [null, '', ['allow_cidr' => [5]], 'security.allowCidr', '5'];
        yield 'header' => [null, '', ['header' => 'X Token'], 'security.header', 'header'];
    }

    public function testValidateIsContentWithTheDefaultsAndWithAGuardThatIsOff(): void
    {
        self::assertSame(['ok' => true, 'issue' => []], $this->json(ValidateCommand::class));
        self::assertTrue($this->json(ValidateCommand::class, ['endpoint' => ['security' => ['enabled' => false, 'mode' => 'require_token']]])['ok']);
    }

    public function testDoctorKnowsWhatIsReset(): void
    {
        $change = static function (ContainerBuilder $container): void {
            $container->register('mine', Mine::class)->setAutoconfigured(true)->setPublic(true);
            $container->register('forgotten', Forgotten::class)->setPublic(true);
            $container->register('tagged', Forgotten::class)->addTag('runtime.reset')->setPublic(true);
        };
        $said = $this->json(DoctorCommand::class, [], Command::SUCCESS, $change, ['--json' => true]);
        self::assertArrayHasKey('mine', $said['resetters']);
        self::assertArrayHasKey('tagged', $said['resetters']);
        self::assertSame(['warning'], array_column($said['findings'], 'severity'));
        self::assertStringContainsString('"forgotten"', $said['findings'][0]['message']);
        $text = $this->run_(DoctorCommand::class, [], Command::SUCCESS, $change);
        self::assertStringContainsString('"forgotten"', $text);
        self::assertStringContainsString('Nothing to say', $this->run_(DoctorCommand::class));
    }

    public function testDoctorTellsWhatOnlyTheServerCanObey(): void
    {
        $said = $this->json(DoctorCommand::class, ['worker' => ['lifecycle' => ['drain_second' => 5]], 'endpoint' => ['security' => ['token' => 'x']]], Command::SUCCESS, null, ['--json' => true]);
        self::assertSame(['Set guard.token in supercharger.toml, or its variable.', 'Set server.drain_timeout in supercharger.toml, or its variable.'], array_column($said['findings'], 'fix'));
    }

    public function testDoctorFindsSwitchesThatAreOff(): void
    {
        $this->put('RUNTIME_WORKER_MAX_REQUEST', 'x');
        $said = $this->json(DoctorCommand::class, ['worker' => ['reset' => ['enabled' => false, 'kernel' => false, 'doctrine' => false]]], Command::FAILURE, null, ['--json' => true]);
        self::assertSame(['error', 'error', 'warning', 'warning'], array_column($said['findings'], 'severity'));
    }

    /**
     * @param class-string<Command>                   $command
     * @param array<string, mixed>                    $config
     * @param (\Closure(ContainerBuilder): void)|null $change
     * @param array<string, mixed>                    $input
     *
     * @return array<mixed>
     */
    private function json(string $command, array $config = [], int $code = Command::SUCCESS, ?\Closure $change = null, array $input = []): array
    {
        $said = json_decode($this->run_($command, $config, $code, $change, $input), true, flags: \JSON_THROW_ON_ERROR);
        self::assertIsArray($said);

        return $said;
    }

    /**
     * @param class-string<Command>                   $command
     * @param array<string, mixed>                    $config
     * @param (\Closure(ContainerBuilder): void)|null $change
     * @param array<string, mixed>                    $input
     */
    private function run_(string $command, array $config = [], int $code = Command::SUCCESS, ?\Closure $change = null, array $input = []): string
    {
        $container = Compiled::bundleAlone($config, static function (ContainerBuilder $container) use ($command, $change): void {
            $container->setAlias('tested', $command)->setPublic(true);
            ($change ?? static fn () => null)($container);
        });
        $service = $container->get('tested');
        self::assertInstanceOf($command, $service);
        $tester = new CommandTester($service);
        self::assertSame($code, $tester->execute($input), $tester->getDisplay());

        return $tester->getDisplay();
    }

    private function put(string $name, string $value): void
    {
        $this->set[] = $name;
        putenv("$name=$value");
        $_SERVER[$name] = $value;
    }
}

final class Mine implements ResetterInterface
{
    public function reset(): void
    {
    }
}

final class Forgotten implements ResetInterface
{
    public function reset(): void
    {
    }
}
