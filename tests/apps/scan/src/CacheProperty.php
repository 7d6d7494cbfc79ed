<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\DependencyInjection\Attribute\Autoconfigure;
use Symfony\Contracts\Service\ResetInterface;

#[Autoconfigure(lazy: true)]
final class CacheProperty
{
    private array $cache = []; // expect: RS005 warning
    private array $users = []; // expect: RS005 warning
    private \SplObjectStorage $registry; // expect: RS005 warning
    private \WeakMap $perObject;
    private array $routeMap = ['a' => 1];

    public function get(string $key): string
    {
        return $this->cache[$key] ??= strrev($key);
    }

    public function user(string $id): object
    {
        if (!array_key_exists($id, $this->users)) {
            $this->users[$id] = (object) ['id' => $id];
        }

        return $this->users[$id];
    }

    public function register(object $one): void
    {
        $this->registry ??= new \SplObjectStorage();
        $this->registry->attach($one);
        $this->perObject ??= new \WeakMap();
        $this->perObject[$one] = $this->routeMap['a'];
    }
}

#[Autoconfigure(lazy: true)]
final class ClearedCache implements ResetInterface
{
    private array $cache = [];
    private array $forgotten = []; // expect: RS005 warning

    public function get(string $key): string
    {
        $this->forgotten[$key] ??= 1;

        return $this->cache[$key] ??= strrev($key);
    }

    public function reset(): void
    {
        $this->clear();
    }

    private function clear(): void
    {
        $this->cache = [];
    }
}

/** Nobody is known to hold it, but its name says what it is. */
final class Unknown
{
    private $registry = array(); // expect: RS005 warning

    public function add($name, $value)
    {
        $this->registry[$name] = $value;
    }
}

final class Bounded
{
    private array $buffer = [];

    public function add(string $value): void
    {
        $this->buffer[] = $value;
        if (count($this->buffer) > 10) {
            array_shift($this->buffer);
        }
    }
}
