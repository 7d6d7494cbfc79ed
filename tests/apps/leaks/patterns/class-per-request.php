<?php

// A class that is made with each request.

declare(strict_types=1);

namespace Leaks\ClassPerRequest;

return static function (string $user): mixed {
    $before = class_exists('Leaks\\Made', false) ? 'a class' : null;
    $made = eval('return new class { };');
    class_exists('Leaks\\Made', false) || class_alias($made::class, 'Leaks\\Made');

    return $before;
};
