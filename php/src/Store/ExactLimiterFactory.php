<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

use Symfony\Component\RateLimiter\LimiterInterface;

/**
 * Makes limiters that decide in the server, in one step: of a thousand requests at once exactly as many pass as may, without a lock.
 *
 * @phpstan-type Limit array{policy: string, limit: int, interval: float, amount?: int}
 */
final class ExactLimiterFactory implements LimiterFactory
{
    /**
     * @param string      $name      of the rule: part of the keys, and a label of the metric supercharger_rate_limited_total
     * @param list<Limit> $limits    as supercharger_rate_limit() takes them, intervals in seconds; all hold together
     * @param bool        $failOpen  whether requests pass when the store has no room to count them; else it throws
     * @param string      $namespace of the project, where several share the server
     */
    public function __construct(private readonly string $name, private readonly array $limits, private readonly bool $failOpen = false, private readonly string $namespace = '')
    {
    }

    /** @param array<string, mixed> $config as that of Symfony's RateLimiterFactory: id, policy, limit, interval, rate */
    public static function fromConfig(array $config, string $namespace = ''): self
    {
        $policy = $config['policy'] ?? '';
        $rate = \is_array($config['rate'] ?? null) ? $config['rate'] : [];
        $isBucket = 'token_bucket' === $policy;
        $interval = $isBucket ? $rate['interval'] ?? null : $config['interval'] ?? null;
        $name = $config['id'] ?? '';
        $limit = $config['limit'] ?? 0;
        $amount = $rate['amount'] ?? 1;
        if (!\is_string($name) || !\is_string($policy) || !\is_int($limit) || !\is_int($amount)) {
            throw new \InvalidArgumentException('A limiter has an "id", a "policy" and a "limit".');
        }

        return new self($name, [['policy' => $policy, 'limit' => $limit, 'interval' => self::seconds($interval)] + ($isBucket ? ['amount' => $amount] : [])], false, $namespace);
    }

    public function create(?string $key = null): LimiterInterface
    {
        return new ExactLimiter($this->name, $key ?? '', $this->limits, $this->failOpen, $this->namespace);
    }

    private static function seconds(mixed $interval): float
    {
        if (\is_int($interval) || \is_float($interval)) {
            return (float) $interval;
        }
        if (\is_string($interval)) {
            try {
                $interval = \DateInterval::createFromDateString($interval);
            } catch (\DateMalformedIntervalStringException) {
                $interval = null;
            }
        }
        if (!$interval instanceof \DateInterval) {
            throw new \InvalidArgumentException('The "interval" of a limiter is none: a relative date such as "1 minute", or seconds.');
        }
        $now = new \DateTimeImmutable('@0');
        $then = $now->add($interval);

        return (float) $then->format('U.u');
    }
}
