<?php

declare(strict_types=1);

namespace App;

use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;

/**
 * A stock kernel that counts how often it was made and booted, for the page /api/kernel.
 *
 * A server that keeps the application in memory makes one kernel and boots it once; one that starts over makes both
 * anew for each request.
 */
final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    private static int $constructions = 0;
    private int $boots = 0;

    /** Read when the kernel is made: later, $_SERVER may hold a request and nothing else. */
    private readonly string $bootLog;

    public function __construct(string $environment, bool $debug)
    {
        ++self::$constructions;
        $this->bootLog = (string) ($_SERVER['DEMO_BOOT_LOG'] ?? $_ENV['DEMO_BOOT_LOG'] ?? '');
        parent::__construct($environment, $debug);
    }

    public function __clone()
    {
        parent::__clone();
        $this->boots = 0;
    }

    /**
     * Symfony calls this at every request; only the first call, or the first after a shutdown, boots the container.
     */
    public function boot(): void
    {
        $wasBooted = $this->booted;
        parent::boot();

        if (!$wasBooted) {
            ++$this->boots;
            $this->recordBoot();
        }
    }

    /** How many kernels were made since this copy of the program started. */
    public static function constructions(): int
    {
        return self::$constructions;
    }

    /** How often this kernel booted its container. */
    public function boots(): int
    {
        return $this->boots;
    }

    /** Appends one line to the file that DEMO_BOOT_LOG names; many threads and processes may write to it. */
    private function recordBoot(): void
    {
        if ('' === $this->bootLog) {
            return;
        }

        $line = \sprintf("%s pid=%d kernel=%d boots=%d\n", date(\DATE_ATOM), getmypid(), spl_object_id($this), $this->boots);
        file_put_contents($this->bootLog, $line, \FILE_APPEND | \LOCK_EX);
    }
}
