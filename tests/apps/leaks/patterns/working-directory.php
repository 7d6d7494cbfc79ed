<?php

// The working directory.

declare(strict_types=1);

namespace Leaks\WorkingDirectory;

return static function (string $user): mixed {
    $before = getcwd();
    chdir('/tmp');

    return '/tmp' === $before ? $before : null;
};
