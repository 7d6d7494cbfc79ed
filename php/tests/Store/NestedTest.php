<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Store;

use PHPUnit\Framework\Attributes\CoversNothing;
use PHPUnit\Framework\TestCase;

/** The store is used while something else is being unserialized. */
#[CoversNothing]
final class NestedTest extends TestCase
{
    public function testWhatIsStoredRefersToItselfAndToNothingAround(): void
    {
        $object = (object) ['is' => 'stored'];
        supercharger_store_set(__CLASS__, [$object, $object]);
        $payload = \sprintf('a:2:{i:0;O:8:"stdClass":1:{s:2:"is";s:6:"around";}i:1;C:%d:"%s":1:{x}}', \strlen(Nested::class), Nested::class);
        $outer = unserialize($payload);
        self::assertIsArray($outer);
        self::assertInstanceOf(Nested::class, $outer[1]);
        self::assertEquals([$object, $object], $outer[1]->found);
        supercharger_store_delete(__CLASS__);
    }
}

final class Nested implements \Serializable
{
    public mixed $found = null;

    public function serialize(): string
    {
        return 'x';
    }

    public function unserialize(string $data): void
    {
        $this->found = supercharger_store_get(NestedTest::class);
    }

    /** @return array{} */
    public function __serialize(): array
    {
        return [];
    }

    /** @param array<mixed> $data */
    public function __unserialize(array $data): void
    {
    }
}
