<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

/** Runs the warmers of the application, each for itself, once. */
final class Warmup
{
    private bool $done = false;

    /** @param list<array{string, array<string, mixed>, \Closure(): object}> $warmers id, attributes of the tag, and the service */
    public function __construct(private readonly array $warmers)
    {
    }

    /** The second call does nothing. */
    public function warmOnBoot(): void
    {
        if ($this->done) {
            return;
        }
        $this->done = true;
        $started = hrtime(true);
        $failed = 0;
        foreach ($this->warmers as [$id, , $warmer]) {
            try {
                self::warm($warmer());
            } catch (\Throwable $e) {
                ++$failed;
                supercharger_log('Runtime warmer failed', 4, ['warmer' => $id, 'error' => $e::class.': '.$e->getMessage()]);
            }
        }
        if ([] !== $this->warmers) {
            supercharger_warmed(\count($this->warmers), $failed, (hrtime(true) - $started) / 1e6);
        }
    }

    /** A tag is a promise that nobody has checked. */
    private static function warm(object $warmer): void
    {
        if ($warmer instanceof WarmerInterface) {
            $warmer->warm();
        } elseif (\is_callable([$warmer, 'warm'])) {
            $warmer->warm();
        } else {
            throw new \LogicException(\sprintf('%s has no method warm(); implement %s.', $warmer::class, WarmerInterface::class));
        }
    }
}
