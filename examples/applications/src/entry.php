<?php

declare(strict_types=1);

/*
 * A file that returns the application: a function that takes the context and returns an object with statusCode, headers and body.
 */

use App\ArrayPages;

require_once __DIR__.'/ArrayPages.php';

$pages = new ArrayPages();

return static function (array $context) use ($pages): object {
    ['get' => $get, 'post' => $post, 'cookie' => $cookie, 'files' => $files, 'input' => $input, 'server' => $server] = $context;
    $answer = $pages->answer([
        'method' => $server['REQUEST_METHOD'],
        'path' => strtok($server['REQUEST_URI'], '?'),
        'query' => $get,
        'post' => $post,
        'cookie' => $cookie,
        'files' => $files,
        'body' => $input,
        'headers' => ['x-in' => $server['HTTP_X_IN'] ?? ''],
        'id' => $server['HTTP_X_REQUEST_ID'],
        'engine' => $context['engine'],
    ]);

    return (object) ['statusCode' => $answer['status'], 'headers' => $answer['headers'], 'body' => $answer['body']];
};
