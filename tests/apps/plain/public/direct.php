<?php

declare(strict_types=1);

// A script that classic mode runs by its own path; worker mode must not.

header('Content-Type: application/json');
echo json_encode(array_intersect_key($_SERVER, array_flip([
    'SCRIPT_NAME', 'SCRIPT_FILENAME', 'PATH_INFO', 'PHP_SELF', 'DOCUMENT_ROOT', 'REQUEST_URI', 'QUERY_STRING',
])), \JSON_THROW_ON_ERROR);
