<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

/** Who shares what the adapters of this namespace keep. */
enum Scope: string
{
    /** All workers of all processes of a server. */
    case Server = 'server';
    /** This process alone: a command that runs under `supercharger php-cli`. */
    case Process = 'process';
    /** Nobody: supercharger does not run this program. */
    case None = 'none';

    public static function current(): self
    {
        return \function_exists('supercharger_store_info') ? self::from(supercharger_store_info()['scope']) : self::None;
    }
}
