<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/**
 * Asks the server for a new worker when this one has reached a limit of `worker.lifecycle`.
 *
 * A limit that is left at its default is the server's own, which it spreads over its workers so that they are not replaced all at once.
 */
final readonly class Lifecycle
{
    private const array DEFAULTS = ['max_request' => 1000, 'max_memory_mb' => 512, 'max_uptime_second' => 3600];

    /** What is counted, by limit. */
    private const array FIELDS = ['max_request' => 'requests', 'max_memory_mb' => 'memory_bytes', 'max_uptime_second' => 'uptime_seconds'];

    private const array UNITS = ['max_request' => 1, 'max_memory_mb' => 1 << 20, 'max_uptime_second' => 1];

    /** @var array<string, int> in the units of the server */
    private array $limits;

    /** @param array{enabled: bool, max_request: int, max_memory_mb: int, max_uptime_second: int} $settings */
    public function __construct(array $settings)
    {
        $limits = [];
        foreach ($settings['enabled'] ? self::DEFAULTS : [] as $limit => $default) {
            if ($settings[$limit] > 0 && $settings[$limit] !== $default) {
                $limits[$limit] = $settings[$limit] * self::UNITS[$limit];
            }
        }
        $this->limits = $limits;
    }

    /**
     * The first limit that is reached, if there is any.
     *
     * @param \Closure(): array<string, mixed> $worker what the server says of it; not asked without need
     */
    public function reached(\Closure $worker): ?string
    {
        $state = [] === $this->limits ? [] : $worker();
        foreach ($this->limits as $limit => $most) {
            if (($state[self::FIELDS[$limit]] ?? 0) >= $most) {
                return $limit;
            }
        }

        return null;
    }
}
