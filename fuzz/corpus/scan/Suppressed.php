<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\DependencyInjection\Attribute\Autowire;

final class Suppressed
{
    // supercharger-ignore RS001: a counter for tests that nobody reads
    private static int $above = 0;
    private static int $beside = 0; // supercharger-ignore RS001: the same
    /** supercharger-ignore RS001: in its comment */
    #[Autowire(
        env: 'X',
    )]
    private static int $attributed = 0;
    private static int $bare = 0; /* supercharger-ignore RS001 */ // expect: RS000 error, RS001 error
    private static int $other = 0; // supercharger-ignore RS006: another rule // expect: RS000 warning, RS001 error
    // supercharger-ignore RS099: no rule // expect: RS000 error

    public function count(): void
    {
        self::$above++;
        self::$beside++;
        self::$attributed++;
        self::$bare++;
        self::$other++;
    }
}
