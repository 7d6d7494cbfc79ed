<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Bundle;

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\DriverManager;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Bundle\Variables;
use Supercharger\Runtime\Reset\ResetRegistry;
use Supercharger\Runtime\Reset\ResetterPass;
use Supercharger\Runtime\Tests\Compiled;
use Supercharger\Runtime\Warmup\Warmup;
use Symfony\Bundle\TwigBundle\TwigBundle;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\HttpFoundation\Request;
use Twig\Loader\ArrayLoader;

final class ConfigurationTest extends TestCase
{
    private const array DEFAULTS = [
        'telemetry' => ['dir' => 'var/runtime/telemetry'],
        'endpoint' => [
            'metrics' => true,
            'status' => true,
            'security' => [
                'enabled' => true,
                'mode' => 'allowlist_or_token',
                'allow_cidr' => ['127.0.0.1/8', '::1/128'],
                'token' => null,
                'header' => 'X-Runtime-Token',
                'proxy_strict' => true,
            ],
        ],
        'worker' => [
            'lifecycle' => ['enabled' => true, 'max_request' => 1000, 'max_memory_mb' => 512, 'max_uptime_second' => 3600, 'drain_second' => 10],
            'reset' => ['enabled' => true, 'kernel' => true, 'doctrine' => true, 'doctrine_ping_second' => 1],
        ],
    ];

    /** @var list<string> */
    private array $set = [];

    protected function tearDown(): void
    {
        foreach ($this->set as $name) {
            unset($_SERVER[$name], $_ENV[$name]);
        }
    }

    public function testAnEmptyConfigurationHasEveryDefault(): void
    {
        $seen = self::settings();
        self::assertSame(self::DEFAULTS, array_intersect_key($seen, self::DEFAULTS));
    }

    public function testAVariableThatIsEmptyStandsForTheDefault(): void
    {
        foreach (Variables::OF_SETTINGS as $name) {
            $this->put($name, '');
        }
        $seen = self::settings();
        self::assertSame(self::DEFAULTS, array_intersect_key($seen, self::DEFAULTS));
    }

    #[DataProvider('flags')]
    public function testWordsOfAFlag(string $word, bool $meaning): void
    {
        $this->put('RUNTIME_WORKER_RESET_DOCTRINE', $word);
        self::assertSame($meaning, self::at(self::settings(), 'worker.reset.doctrine'));
    }

    /** @return iterable<array{string, bool}> */
    public static function flags(): iterable
    {
        foreach (['0', 'false', 'no', 'off', 'FALSE', ' Off '] as $word) {
            yield [$word, false];
        }
        foreach (['1', 'true', 'yes', 'on', 'ON', '', 'maybe', '2'] as $word) {
            yield [$word, true];
        }
    }

    #[DataProvider('variables')]
    public function testAVariableCountsUnlessTheSettingIsWritten(string $setting, string $name, string $text, mixed $meaning, mixed $other): void
    {
        $this->put($name, $text);
        self::assertSame($meaning, self::at(self::settings(), $setting));
        self::assertSame($other, self::at(self::settings(self::written($setting, $other)), $setting), 'what is written counts more');
    }

    /** @return iterable<string, array{string, string, string, mixed, mixed}> */
    public static function variables(): iterable
    {
        foreach (Variables::OF_SETTINGS as $setting => $name) {
            $default = Variables::DEFAULTS[$name];
            yield $setting => match (true) {
                \is_bool($default) => [$setting, $name, 'off', false, true],
                \is_int($default) => [$setting, $name, '7', 7, 0],
                \is_array($default) => [$setting, $name, '10.0.0.0/8, ::1', ['10.0.0.0/8', '::1'], ['192.0.2.1']],
                'endpoint.security.mode' === $setting => [$setting, $name, 'require_token', 'require_token', 'allowlist_only'],
                default => [$setting, $name, 'Something', 'Something', 'other'],
            };
        }
    }

    public function testANumberThatIsNoneStandsForTheDefault(): void
    {
        foreach (['-1', 'many', '1.5', '99999999999999999999'] as $text) {
            $this->put('RUNTIME_WORKER_MAX_REQUEST', $text);
            self::assertSame(1000, self::at(self::settings(), 'worker.lifecycle.max_request'), $text);
        }
    }

    #[DataProvider('toggles')]
    public function testEveryToggleCompilesBothWays(string $setting, bool $value): void
    {
        self::assertSame($value, self::at(self::settings(self::written($setting, $value)), $setting));
    }

    /** @return iterable<string, array{string, bool}> */
    public static function toggles(): iterable
    {
        foreach (self::switches() as $setting) {
            yield "$setting on" => [$setting, true];
            yield "$setting off" => [$setting, false];
        }
    }

    /** @return iterable<string> */
    private static function switches(): iterable
    {
        $walk = static function (array $section, string $path) use (&$walk): iterable {
            foreach ($section as $key => $value) {
                if (\is_array($value) && !array_is_list($value)) {
                    yield from $walk($value, "$path$key.");
                } elseif (\is_bool($value)) {
                    yield "$path$key";
                }
            }
        };
        // A generator that delegates repeats its keys.
        yield from iterator_to_array($walk(self::DEFAULTS, ''), false);
    }

    /** @param array<string, mixed> $config */
    #[DataProvider('mistakes')]
    public function testMistakesAreRefused(array $config, string $told): void
    {
        $this->expectException(InvalidConfigurationException::class);
        $this->expectExceptionMessageMatches($told);
        self::settings($config);
    }

    /** @return iterable<string, array{array<string, mixed>, string}> */
    public static function mistakes(): iterable
    {
        yield 'unknown key' => [['worker' => ['lifecycle' => ['max_requests' => 5]]], '/max_requests.*max_request/s'];
        yield 'unknown section' => [['endpoints' => []], '/endpoints/'];
        yield 'mode' => [['endpoint' => ['security' => ['mode' => 'allowlist']]], '/allowlist_or_token/'];
        yield 'negative' => [['worker' => ['lifecycle' => ['max_request' => -1]]], '/max_request/'];
        yield 'no number' => [['worker' => ['lifecycle' => ['drain_second' => 'ten']]], '/drain_second/'];
        yield 'no flag' => [['worker' => ['reset' => ['kernel' => 'yes']]], '/kernel/'];
    }

    /**
     * The whole thing, with what the package looks after: the other tests compile the bundle alone.
     *
     * @param array<string, mixed>  $config
     * @param array<string, string> $variables
     * @param array<string, mixed>  $meaning by setting
     */
    #[DataProvider('kernels')]
    public function testAnApplicationCompiles(array $config, array $variables, array $meaning): void
    {
        foreach ($variables as $name => $text) {
            $this->put($name, $text);
        }
        $kernel = Compiled::booted($config, static function (ContainerBuilder $container): void {
            $container->register(Connection::class, Connection::class)->setFactory([DriverManager::class, 'getConnection'])
                ->setArguments([['driver' => 'pdo_sqlite', 'memory' => true]])->setPublic(true);
            $container->register('page', ArrayLoader::class)->setArguments([['page' => 'a page']])->addTag('twig.loader');
        }, [TwigBundle::class]);
        try {
            $container = $kernel->getContainer();
            $seen = $container->getParameter('runtime_supercharger');
            self::assertIsArray($seen);
            foreach ($meaning + ['worker.reset.enabled' => true] as $setting => $value) {
                self::assertSame($value, self::at($seen, $setting), $setting);
            }
            self::assertSame(self::at($seen, 'telemetry.dir'), $container->getParameter('runtime_supercharger_telemetry_dir'));
            // What a worker does with it: it is warmed up, serves, and is reset.
            $warmup = $container->get('runtime_supercharger.warmup');
            self::assertInstanceOf(Warmup::class, $warmup);
            $warmup->warmOnBoot();
            $connection = $container->get(Connection::class);
            self::assertInstanceOf(Connection::class, $connection);
            $connection->beginTransaction();
            self::assertSame(404, $kernel->handle(Request::create('/nowhere'))->getStatusCode());
            $registry = $container->get(ResetterPass::REGISTRY);
            self::assertInstanceOf(ResetRegistry::class, $registry);
            $report = $registry->resetAll();
            self::assertSame([], $report->errors);
            $enabled = self::at($seen, 'worker.reset.enabled');
            self::assertSame($enabled, $report->resetCount > 0);
            self::assertSame(!$enabled || !self::at($seen, 'worker.reset.doctrine'), $connection->isTransactionActive());
        } finally {
            $kernel->remove();
        }
    }

    /** @return iterable<string, array{array<string, mixed>, array<string, string>, array<string, mixed>}> */
    public static function kernels(): iterable
    {
        $names = array_values(Variables::OF_SETTINGS);
        yield 'nothing is set' => [[], [], []];
        yield 'every variable is empty' => [[], array_fill_keys($names, ''), []];
        yield 'every variable says no' => [[], array_fill_keys($names, '0'), ['worker.reset.enabled' => false]];
        $off = [];
        foreach ([...self::switches(), ...array_map(static fn (string $key) => "warmup.$key", ['router', 'translator', 'twig', 'doctrine'])] as $setting) {
            yield "$setting is off" => [self::written($setting, false), [], [$setting => false]];
            $off = array_merge_recursive($off, self::written($setting, false));
        }
        yield 'everything is off' => [$off, [], ['worker.reset.enabled' => false]];
        foreach (self::variables() as $setting => [, $name, $text, $meaning]) {
            yield "$name counts" => [[], [$name => $text], [$setting => $meaning]];
        }
    }

    /** @return array<string, mixed> */
    private static function written(string $setting, mixed $value): array
    {
        foreach (array_reverse(explode('.', $setting)) as $key) {
            $value = [$key => $value];
        }
        \assert(\is_array($value));

        return $value;
    }

    /**
     * @param array<string, mixed> $config
     *
     * @return array<string, mixed> as the running application has them
     */
    private static function settings(array $config = []): array
    {
        $container = Compiled::bundleAlone($config);
        $seen = $container->resolveEnvPlaceholders($container->getParameter('runtime_supercharger'), true);
        self::assertIsArray($seen);

        return $seen;
    }

    /** @param array<mixed> $settings */
    private static function at(array $settings, string $path): mixed
    {
        foreach (explode('.', $path) as $key) {
            self::assertIsArray($settings);
            $settings = $settings[$key];
        }

        return $settings;
    }

    private function put(string $name, string $value): void
    {
        $this->set[] = $name;
        $_SERVER[$name] = $_ENV[$name] = $value;
    }
}
