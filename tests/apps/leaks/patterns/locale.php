<?php

// The locale of the process.

declare(strict_types=1);

namespace Leaks\Locale;

return static function (string $user): mixed {
    $before = setlocale(\LC_CTYPE, '0');
    setlocale(\LC_CTYPE, 'C' === $before ? 'C.UTF-8' : 'C');

    return null;
};
