<?php

declare(strict_types=1);

// A compile error, not an exception: both functions exist already.

namespace App;

function recurse(int $depth): int
{
    return $depth;
}
