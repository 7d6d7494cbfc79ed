<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

/** Writes a file into a folder and looks how much room is left. */
final readonly class FilesystemCheck implements CheckInterface
{
    /** @param int $leastFree bytes */
    public function __construct(private string $folder, private int $leastFree = 0)
    {
    }

    public function check(): ?string
    {
        $file = is_dir($this->folder) && is_writable($this->folder) ? @tempnam($this->folder, '.check') : false;
        // tempnam() goes elsewhere when it cannot write where it is told to.
        $here = \is_string($file) && realpath(\dirname($file)) === realpath($this->folder);
        $written = $here && 1 === @file_put_contents($file, 'x');
        if (\is_string($file)) {
            @unlink($file);
        }
        if (!$written) {
            throw new \RuntimeException(\sprintf('Nothing can be written into %s.', $this->folder));
        }
        $free = disk_free_space($this->folder);
        if (false !== $free && $free < $this->leastFree) {
            throw new \RuntimeException(\sprintf('%d MiB are left in %s, at least %d are wanted.', (int) ($free / 1048576), $this->folder, intdiv($this->leastFree, 1048576)));
        }

        return false === $free ? null : \sprintf('%d MiB free', (int) ($free / 1048576));
    }
}
