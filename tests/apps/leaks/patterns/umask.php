<?php

// The mask of new files' rights.

declare(strict_types=1);

namespace Leaks\Umask;

return static function (string $user): mixed {
    return 0o077 === umask(0o077) ? 'its mask' : null;
};
