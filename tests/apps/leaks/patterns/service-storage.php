<?php

// A service that keeps objects in an SplObjectStorage.

declare(strict_types=1);

namespace Leaks\ServiceStorage;

final class Tracker
{
    /** @var \SplObjectStorage<object, string> */
    private \SplObjectStorage $objects;

    public function __construct()
    {
        $this->objects = new \SplObjectStorage();
    }

    public function track(string $user): mixed
    {
        $before = null;
        foreach ($this->objects as $index => $object) {
            $before = $this->objects[$object];
        }
        $this->objects[new \stdClass()] = $user;

        return $before;
    }
}

$tracker = new Tracker();

return $tracker->track(...);
