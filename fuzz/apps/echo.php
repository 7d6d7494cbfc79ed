<?php

declare(strict_types=1);

/** Takes everything that PHP's parsers made of a request and checks what must hold of it. */
function complain(string $what): never
{
    echo 'complaint: ', $what, "\n";
    exit;
}

function check_files(array $files, array $post): void
{
    foreach ($files as $field) {
        foreach ((array) $field['tmp_name'] as $key => $name) {
            if (!is_string($name) || $name === '') {
                continue;
            }
            $size = is_array($field['size']) ? $field['size'][$key] : $field['size'];
            if (!is_uploaded_file($name)) {
                complain('not an upload');
            }
            if (filesize($name) !== $size || $size > 32 * 1024) {
                complain('wrong size');
            }
        }
    }
}

$post = $_POST;
$files = $_FILES;
if ($_SERVER['REQUEST_METHOD'] === 'PUT') {
    if ($post !== [] || $files !== []) {
        complain('PUT has been parsed unasked');
    }
    try {
        [$post, $files] = request_parse_body();
    } catch (Throwable) {
        // Most inputs are no form at all.
    }
}
check_files($files, $post);
if (count($_COOKIE) > 200 || count($_GET) > 200) {
    complain('too many variables');
}
$type = strtolower($_SERVER['CONTENT_TYPE']);
if ($_SERVER['REQUEST_METHOD'] === 'POST' && !str_contains($type, 'multipart')) {
    $input = file_get_contents('php://input');
    if (strlen($input) !== (int) $_SERVER['CONTENT_LENGTH'] || $input !== file_get_contents('php://input')) {
        complain('the body cannot be read again');
    }
}
echo count($post), ' ', count($files), ' ', count($_COOKIE), ' ', count($_GET), "\ndone\n";
