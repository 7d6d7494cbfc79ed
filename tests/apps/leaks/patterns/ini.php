<?php

// A setting of PHP's.

declare(strict_types=1);

namespace Leaks\Ini;

return static function (string $user): mixed {
    $before = \ini_get('precision');
    ini_set('precision', '5');

    return '5' === $before ? $before : null;
};
