<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Store;

/** Keys of Symfony's among those of the application, and those of one project among those of others on the same server. */
final readonly class KeySpace
{
    private string $prefix;

    /**
     * @param string $kind      as `symfony`
     * @param string $namespace of the project: letters, digits, `_`, `.` and `-`; empty: that of all who have none
     */
    public function __construct(string $kind, string $namespace = '')
    {
        if (1 !== preg_match('/^[A-Za-z0-9_.-]{0,64}$/D', $namespace)) {
            throw new \InvalidArgumentException('A namespace of the store has at most 64 letters, digits, "_", "." and "-".');
        }
        $this->prefix = '' === $namespace ? "$kind:" : "$kind/$namespace:";
    }

    public function key(string $name): string
    {
        return $this->prefix.$name;
    }
}
