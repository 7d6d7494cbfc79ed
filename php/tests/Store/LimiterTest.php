<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Store;

use PHPUnit\Framework\Attributes\CoversClass;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Store\ExactLimiter;
use Supercharger\Runtime\Store\ExactLimiterFactory;
use Supercharger\Runtime\Store\LimiterStorage;
use Supercharger\Runtime\Store\LockStore;
use Symfony\Component\Lock\LockFactory;
use Symfony\Component\RateLimiter\Exception\MaxWaitDurationExceededException;
use Symfony\Component\RateLimiter\Exception\ReserveNotSupportedException;
use Symfony\Component\RateLimiter\RateLimiterFactory;

#[CoversClass(ExactLimiter::class)]
#[CoversClass(ExactLimiterFactory::class)]
#[CoversClass(LimiterStorage::class)]
final class LimiterTest extends TestCase
{
    /** @return iterable<string, array{array<string, mixed>}> */
    public static function policies(): iterable
    {
        yield 'fixed window' => [['policy' => 'fixed_window', 'limit' => 3, 'interval' => '1 minute']];
        yield 'sliding window' => [['policy' => 'sliding_window', 'limit' => 3, 'interval' => '1 minute']];
        yield 'token bucket' => [['policy' => 'token_bucket', 'limit' => 3, 'rate' => ['interval' => '1 minute', 'amount' => 3]]];
    }

    /**
     * Ours and Symfony's own on our storage say the same.
     *
     * @param array<string, mixed> $config
     */
    #[\PHPUnit\Framework\Attributes\DataProvider('policies')]
    public function testAsManyPassAsMay(array $config): void
    {
        $config['id'] = __METHOD__.$config['policy'].random_int(0, \PHP_INT_MAX);
        $factories = [
            ExactLimiterFactory::fromConfig($config),
            new RateLimiterFactory($config, new LimiterStorage(), new LockFactory(new LockStore())),
        ];
        foreach ($factories as $factory) {
            $limiter = $factory->create('client');
            $first = $limiter->consume();
            self::assertSame([true, 2, 3], [$first->isAccepted(), $first->getRemainingTokens(), $first->getLimit()]);
            self::assertTrue($limiter->consume(2)->isAccepted());
            $refused = $factory->create('client')->consume();
            self::assertFalse($refused->isAccepted());
            self::assertSame(0, $refused->getRemainingTokens());
            $wait = $refused->getRetryAfter()->getTimestamp() - time();
            self::assertGreaterThan(5, $wait);
            self::assertLessThanOrEqual(120, $wait);
            self::assertTrue($factory->create('somebody else')->consume()->isAccepted());
            $limiter->reset();
            self::assertTrue($limiter->consume(3)->isAccepted());
        }
    }

    public function testAProjectHasLimitsOfItsOwn(): void
    {
        $config = ['id' => __METHOD__.random_int(0, \PHP_INT_MAX), 'policy' => 'fixed_window', 'limit' => 1, 'interval' => '1 minute'];
        foreach (['', 'shop', 'blog'] as $namespace) {
            $stock = static fn (): RateLimiterFactory => new RateLimiterFactory($config, new LimiterStorage($namespace), new LockFactory(new LockStore(namespace: $namespace)));
            foreach ([static fn (): ExactLimiterFactory => ExactLimiterFactory::fromConfig($config, $namespace), $stock] as $factory) {
                self::assertTrue($factory()->create('client')->consume()->isAccepted(), $namespace);
                self::assertFalse($factory()->create('client')->consume()->isAccepted(), $namespace);
            }
        }
    }

    public function testSeveralLimitsAtOnce(): void
    {
        $factory = new ExactLimiterFactory(__METHOD__, [
            ['policy' => 'fixed_window', 'limit' => 2, 'interval' => 0.1],
            ['policy' => 'fixed_window', 'limit' => 3, 'interval' => 60.0],
        ]);
        $limiter = $factory->create('k');
        self::assertTrue($limiter->consume(2)->isAccepted());
        self::assertSame(2, $limiter->consume()->getLimit());
        usleep(150_000);
        self::assertTrue($limiter->consume()->isAccepted());
        $refused = $limiter->consume();
        self::assertSame([false, 3], [$refused->isAccepted(), $refused->getLimit()]);
    }

    public function testReserve(): void
    {
        $bucket = (new ExactLimiterFactory(__METHOD__, [['policy' => 'token_bucket', 'limit' => 1, 'interval' => 0.2, 'amount' => 1]]))->create('k');
        self::assertSame(0.0, $bucket->reserve()->getWaitDuration());
        $reserved = $bucket->reserve();
        self::assertEqualsWithDelta(0.2, $reserved->getWaitDuration(), 0.1);
        $reserved->wait();
        try {
            $bucket->reserve(1, 0.01);
            self::fail('it is too long');
        } catch (MaxWaitDurationExceededException $exceeded) {
            self::assertFalse($exceeded->getRateLimit()->isAccepted());
        }
        $this->expectException(ReserveNotSupportedException::class);
        (new ExactLimiterFactory(__METHOD__, [['policy' => 'fixed_window', 'limit' => 1, 'interval' => 1.0]]))->create()->reserve();
    }

    public function testWrongSettings(): void
    {
        $limiter = ExactLimiterFactory::fromConfig(['id' => __METHOD__, 'policy' => 'fixed_window', 'limit' => 1, 'interval' => 60])->create();
        try {
            $limiter->consume(2);
            self::fail('it never passes');
        } catch (\InvalidArgumentException $refused) {
            self::assertStringContainsString('more tokens', $refused->getMessage());
        }
        $wrong = [['id' => 'a'], ['id' => 'a', 'policy' => 'fixed_window', 'limit' => 1, 'interval' => 'nonsense'], ['limit' => '1']];
        foreach ($wrong as $config) {
            try {
                ExactLimiterFactory::fromConfig($config);
                self::fail(json_encode($config, \JSON_THROW_ON_ERROR));
            } catch (\InvalidArgumentException $refused) {
                self::assertNotSame('', $refused->getMessage());
            }
        }
    }
}
