<?php

// The id of a request in a static variable.

declare(strict_types=1);

namespace Leaks\RequestIdStatic;

function correlation(): mixed
{
    static $id = null;
    $before = $id;
    $id = supercharger_request_id();

    return null === $before ? null : ($before === $id ? null : 'the id of the request before');
}

return static fn (string $user): mixed => correlation();
