<?php

declare(strict_types=1);

namespace App;

final class Destructor
{
    private array $lines = [];

    public function __construct(private string $file)
    {
    }

    public function __destruct() // expect: RS004 warning
    {
        file_put_contents($this->file, implode("\n", $this->lines));
    }
}

final class Closing
{
    /** @param resource $handle */
    public function __construct(private $handle)
    {
    }

    public function __destruct()
    {
        if (is_resource($this->handle)) {
            fclose($this->handle);
        }
        $this->handle = null;
    }
}

final class Emptied
{
    public function __destruct()
    {
    }
}
