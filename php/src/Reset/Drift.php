<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

/**
 * Tells the server's drift detector what a request has left behind. The next request does not see it, since it has been put back; but
 * somebody should know which route it was.
 */
final class Drift
{
    /** Something has been lost by putting it back, so it counts as a leak. */
    public static function lost(string $kind, string $key, string $detail): void
    {
        self::tell($kind, $key, $detail, false);
    }

    public static function putBack(string $kind, string $key, string $detail): void
    {
        self::tell($kind, $key, $detail, true);
    }

    private static function tell(string $kind, string $key, string $detail, bool $putBack): void
    {
        if (\function_exists('supercharger_drift')) {
            supercharger_drift($kind, $key, $detail, $putBack);
        }
    }
}
