<?php

declare(strict_types=1);

// An array in, an array out. No library at all.

use App\ArrayPages;
use Supercharger\Runtime\App\Loop;

require dirname(__DIR__).'/src/ArrayPages.php';

exit(Loop::run([new ArrayPages(), 'answer']));
