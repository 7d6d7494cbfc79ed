<?php

declare(strict_types=1);

// Loaded by some requests only: $_REQUEST comes to be when a file is compiled that names it.

namespace App;

/** @return array<mixed> */
function names_request(): array
{
    return $_REQUEST;
}
