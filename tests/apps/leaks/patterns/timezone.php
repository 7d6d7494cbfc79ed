<?php

// The default timezone.

declare(strict_types=1);

namespace Leaks\Timezone;

return static function (string $user): mixed {
    $before = date_default_timezone_get();
    date_default_timezone_set('Pacific/Chatham');

    return 'Pacific/Chatham' === $before ? $before : null;
};
