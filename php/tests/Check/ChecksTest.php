<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Check;

use Doctrine\DBAL\DriverManager;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Check\AsCheck;
use Supercharger\Runtime\Check\CacheCheck;
use Supercharger\Runtime\Check\CheckInterface;
use Supercharger\Runtime\Check\Checks;
use Supercharger\Runtime\Check\DatabaseCheck;
use Supercharger\Runtime\Check\FilesystemCheck;
use Supercharger\Runtime\Check\MessengerCheck;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Component\Cache\Adapter\ArrayAdapter;
use Symfony\Component\Cache\Adapter\NullAdapter;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Exception\InvalidArgumentException;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Transport\Receiver\MessageCountAwareInterface;
use Symfony\Component\Messenger\Transport\Receiver\ReceiverInterface;
use Symfony\Component\Messenger\Transport\InMemory\InMemoryTransport;

final class ChecksTest extends TestCase
{
    /**
     * @param array<string, mixed> $config
     *
     * @return array<string, array<string, mixed>> id => attributes of the tag
     */
    private static function found(array $config = [], ?\Closure $change = null): array
    {
        $container = Compiled::bundleAlone($config, $change);
        /** @var list<array{string, array<string, mixed>, mixed}> $list */
        $list = $container->getDefinition('runtime_supercharger.checks')->getArgument(0);

        return array_column($list, 1, 0);
    }

    public function testServicesAreFoundByInterfaceAttributeAndTag(): void
    {
        $found = self::found([], static function (ContainerBuilder $container): void {
            $container->register('plain', Plain::class)->setAutoconfigured(true);
            $container->register('named', Named::class)->setAutoconfigured(true);
            $container->register('tagged', Plain::class)->addTag('supercharger.check', ['name' => 'mine', 'timeout' => 0.5]);
        });
        self::assertSame([], $found['plain']);
        self::assertSame(['name' => 'search', 'required' => false, 'timeout' => 1.5], $found['named']);
        self::assertSame(['name' => 'mine', 'timeout' => 0.5], $found['tagged']);
    }

    public function testNothingIsCheckedThatNobodyWants(): void
    {
        self::assertSame([], self::found());
    }

    public function testTheSettingsNameChecks(): void
    {
        $services = static function (ContainerBuilder $container): void {
            foreach (['doctrine.dbal.default_connection', 'my.connection', 'cache.app', 'messenger.transport.async'] as $id) {
                $container->register($id, \stdClass::class)->setPublic(true);
            }
        };
        $found = self::found(['check' => [
            'database' => ['default', ['of' => 'my.connection', 'name' => 'archive', 'required' => false]],
            'cache' => 'app',
            'messenger' => [['of' => 'async', 'timeout' => 1]],
            'filesystem' => ['/var/lib/uploads', '/srv/uploads', ['of' => '/', 'least_free_mb' => 10]],
        ]], $services);
        self::assertSame(
            ['database', 'archive', 'cache.app', 'messenger.async', 'filesystem.uploads', 'filesystem.uploads.1', 'filesystem./'],
            array_column($found, 'name'),
        );
        self::assertSame([true, false, true, true, true, true, true], array_column($found, 'required'));
        self::assertEquals(1.0, $found['runtime_supercharger.check.messenger.0']['timeout']);
    }

    public function testAnUnknownConnectionIsASentenceThatNamesThePackage(): void
    {
        $this->expectException(InvalidArgumentException::class);
        $this->expectExceptionMessage('"doctrine.dbal.default_connection" nor one of that id. Is doctrine/doctrine-bundle installed?');
        self::found(['check' => ['database' => ['default']]]);
    }

    public function testUnknownSettingsAreRefused(): void
    {
        $this->expectException(InvalidConfigurationException::class);
        self::found(['check' => ['databse' => ['default']]]);
    }

    public function testChecksAreOnlyMadeWhenTheyAreRun(): void
    {
        $checks = new Checks([['id', ['name' => ''], static fn () => throw new \LogicException('made')]]);
        $checks->register();
        $this->expectNotToPerformAssertions();
    }

    public function testADatabaseIsAskedAndABrokenConnectionIsClosed(): void
    {
        $connection = DriverManager::getConnection(['driver' => 'pdo_sqlite', 'memory' => true]);
        self::assertNull((new DatabaseCheck($connection))->check());
        self::assertTrue($connection->isConnected());
        $broken = DriverManager::getConnection(['driver' => 'pdo_sqlite', 'path' => '/no/such/folder/db']);
        try {
            (new DatabaseCheck($broken))->check();
            self::fail('there is no such database');
        } catch (\Doctrine\DBAL\Exception) {
            self::assertFalse($broken->isConnected());
        }
    }

    public function testACacheIsWrittenReadAndLeftAsItWas(): void
    {
        $pool = new ArrayAdapter();
        self::assertNull((new CacheCheck($pool))->check());
        self::assertSame([], $pool->getValues());
        $this->expectExceptionMessage('does not give back');
        (new CacheCheck(new NullAdapter()))->check();
    }

    public function testAFolderIsWrittenTo(): void
    {
        $folder = sys_get_temp_dir().'/'.uniqid('check', true);
        mkdir($folder);
        self::assertStringContainsString('MiB free', (string) (new FilesystemCheck($folder))->check());
        self::assertSame(['.', '..'], scandir($folder));
        foreach ([[new FilesystemCheck($folder, \PHP_INT_MAX), 'are wanted'], [new FilesystemCheck($folder.'/none'), 'Nothing can be written']] as [$check, $words]) {
            try {
                $check->check();
                self::fail($words);
            } catch (\RuntimeException $e) {
                self::assertStringContainsString($words, $e->getMessage());
            }
        }
        rmdir($folder);
    }

    #[DataProvider('transports')]
    public function testATransportIsAskedHowManyMessagesWait(ReceiverInterface $receiver, string $words): void
    {
        self::assertSame($words, (new MessengerCheck($receiver))->check());
    }

    /** @return iterable<array{ReceiverInterface, string}> */
    public static function transports(): iterable
    {
        yield [new Counting(), '3 messages wait'];
        yield [new InMemoryTransport(), 'this transport does not say whether it is there'];
    }
}

final class Plain implements CheckInterface
{
    public function check(): ?string
    {
        return null;
    }
}

#[AsCheck(name: 'search', required: false, timeout: 1.5)]
final class Named implements CheckInterface
{
    public function check(): ?string
    {
        return null;
    }
}

final class Counting implements ReceiverInterface, MessageCountAwareInterface
{
    public function getMessageCount(): int
    {
        return 3;
    }

    public function get(): iterable
    {
        return [];
    }

    public function ack(Envelope $envelope): void
    {
    }

    public function reject(Envelope $envelope): void
    {
    }
}
