<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Reset;

use PHPUnit\Framework\Attributes\CoversClass;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Reset\Classes;
use Symfony\Component\DependencyInjection\ContainerBuilder;

#[CoversClass(Classes::class)]
final class ClassesTest extends TestCase
{
    /** As those of symfony/translation for nikic/php-parser, which not everybody has. */
    public function testAClassWhoseParentsAreNotInstalledIsNothing(): void
    {
        $load = static function (string $class): void {
            if ('Supercharger\Orphan' === $class) {
                eval('namespace Supercharger; class Orphan implements \Supercharger\NotInstalled {}');
            }
        };
        spl_autoload_register($load);
        try {
            $container = new ContainerBuilder();
            $container->register('orphan', 'Supercharger\Orphan');
            $container->register('list', \ArrayObject::class);
            self::assertFalse(Classes::isA('Supercharger\Orphan', \Countable::class));
            self::assertSame(['list' => \ArrayObject::class], iterator_to_array(Classes::services($container, \Countable::class)));
        } finally {
            spl_autoload_unregister($load);
        }
    }
}
