<?php

// A service whose buffer of text nobody flushes.

declare(strict_types=1);

namespace Leaks\ServiceLog;

final class Buffer
{
    private string $text = '';

    public function write(string $user): mixed
    {
        $before = substr($this->text, -2) ?: null;
        $this->text .= str_repeat('.', 600).$user;

        return $before;
    }
}

$buffer = new Buffer();

return $buffer->write(...);
