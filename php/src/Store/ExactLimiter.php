<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

use Symfony\Component\RateLimiter\Exception\MaxWaitDurationExceededException;
use Symfony\Component\RateLimiter\Exception\ReserveNotSupportedException;
use Symfony\Component\RateLimiter\LimiterInterface;
use Symfony\Component\RateLimiter\RateLimit;
use Symfony\Component\RateLimiter\Reservation;

/**
 * A limiter that asks the server, which decides and counts in one step.
 *
 * @phpstan-import-type Limit from ExactLimiterFactory
 * @phpstan-type Verdict array{allowed: bool, index: int, limit: int, remaining: int, retry_after: float, reset_after: float}
 */
final class ExactLimiter implements LimiterInterface
{
    /** Waiting without a bound: as long as anything lives in the store. */
    private const float EVER = 315_360_000.0;

    private readonly string $key;

    /**
     * @param string      $name      of the rule
     * @param string      $key       whose requests are counted
     * @param list<Limit> $limits
     * @param string      $namespace of the project, where several share the server
     */
    public function __construct(private readonly string $name, string $key, private readonly array $limits, private readonly bool $failOpen = false, string $namespace = '')
    {
        self::check();
        // Keys come from clients, of any length.
        $this->key = (new KeySpace('symfony', $namespace))->key(hash('xxh128', $name."\0".$key));
    }

    /** @internal a program that supercharger does not run has nothing to count in */
    public static function check(): void
    {
        if (!\function_exists('supercharger_rate_limit')) {
            throw new \LogicException('Rate limits of supercharger are to be had in a program that it runs: `supercharger php-cli` for commands.');
        }
    }

    public function consume(int $tokens = 1): RateLimit
    {
        return self::told($this->ask($tokens, 0.0));
    }

    /** Token buckets only, as a window cannot be drawn on before it begins. */
    public function reserve(int $tokens = 1, ?float $maxTime = null): Reservation
    {
        foreach ($this->limits as $limit) {
            if ('token_bucket' !== $limit['policy']) {
                throw new ReserveNotSupportedException(__CLASS__);
            }
        }
        $verdict = $this->ask($tokens, $maxTime ?? self::EVER);
        if (!$verdict['allowed']) {
            throw new MaxWaitDurationExceededException(\sprintf('The limiter wait time (%d seconds) is longer than the provided maximum time (%d seconds).', $verdict['retry_after'], $maxTime ?? self::EVER), self::told($verdict));
        }

        return new Reservation(microtime(true) + $verdict['retry_after'], self::told($verdict));
    }

    public function reset(): void
    {
        supercharger_rate_limit_reset($this->key);
    }

    /** @return Verdict */
    private function ask(int $tokens, float $wait): array
    {
        foreach ($this->limits as $limit) {
            if ($tokens > $limit['limit']) {
                throw new \InvalidArgumentException(\sprintf('Cannot reserve more tokens (%d) than the size of the rate limiter (%d).', $tokens, $limit['limit']));
            }
        }
        try {
            return supercharger_rate_limit($this->key, $this->limits, $tokens, $wait, $this->name);
        } catch (\RuntimeException $failure) {
            if (!$this->failOpen) {
                throw $failure;
            }
            if (\function_exists('supercharger_log')) {
                supercharger_log('a rate limiter lets everything pass: '.$failure->getMessage(), 4, ['limiter' => $this->name]);
            }

            return ['allowed' => true, 'index' => 0, 'limit' => $this->limits[0]['limit'], 'remaining' => 0, 'retry_after' => 0.0, 'reset_after' => 0.0];
        }
    }

    /** @param Verdict $verdict */
    private static function told(array $verdict): RateLimit
    {
        $at = microtime(true) + min($verdict['retry_after'], self::EVER);
        $retry = \DateTimeImmutable::createFromFormat('U.u', \sprintf('%.6F', $at));

        return new RateLimit($verdict['remaining'], false === $retry ? new \DateTimeImmutable() : $retry, $verdict['allowed'], $verdict['limit']);
    }
}
