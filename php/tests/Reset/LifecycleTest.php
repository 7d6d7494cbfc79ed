<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Reset;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Reset\Lifecycle;

final class LifecycleTest extends TestCase
{
    /** @param array<string, bool|int> $settings */
    #[DataProvider('limits')]
    public function testALimitThatIsReached(array $settings, ?string $reached): void
    {
        $lifecycle = new Lifecycle($settings + ['enabled' => true, 'max_request' => 1000, 'max_memory_mb' => 512, 'max_uptime_second' => 3600]);
        $state = ['requests' => 50, 'memory_bytes' => 20 << 20, 'uptime_seconds' => 100.5];
        self::assertSame($reached, $lifecycle->reached(static fn () => $state));
    }

    /** @return iterable<string, array{array<string, bool|int>, ?string}> */
    public static function limits(): iterable
    {
        yield 'requests' => [['max_request' => 50], 'max_request'];
        yield 'not yet' => [['max_request' => 51], null];
        yield 'memory' => [['max_memory_mb' => 20], 'max_memory_mb'];
        yield 'time' => [['max_uptime_second' => 100], 'max_uptime_second'];
        yield 'the first of two' => [['max_request' => 1, 'max_uptime_second' => 1], 'max_request'];
        yield 'off' => [['max_request' => 0, 'max_memory_mb' => 0, 'max_uptime_second' => 0], null];
        yield 'all off' => [['enabled' => false, 'max_request' => 1], null];
    }

    public function testTheServerIsNotAskedForItsOwnLimits(): void
    {
        $lifecycle = new Lifecycle(['enabled' => true, 'max_request' => 1000, 'max_memory_mb' => 512, 'max_uptime_second' => 3600]);
        self::assertNull($lifecycle->reached(static fn () => throw new \LogicException('it was asked')));
    }
}
