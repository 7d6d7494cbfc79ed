<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Reset;

use PHPUnit\Framework\Attributes\CoversClass;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Reset\LibrariesPass;
use Supercharger\Runtime\Reset\ResetRegistry;
use Supercharger\Runtime\Reset\ResetterPass;
use Symfony\Component\Cache\Adapter\ArrayAdapter;
use Symfony\Component\Cache\Adapter\TagAwareAdapter;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

#[CoversClass(LibrariesPass::class)]
final class LibrariesPassTest extends TestCase
{
    public function testWhatAPoolKnowsOfItsTagsEndsWithTheRequest(): void
    {
        $container = new ContainerBuilder();
        $container->register(ResetterPass::REGISTRY, ResetRegistry::class);
        $container->register('tagged', TagAwareAdapter::class)->setArguments([new Reference('inner')])->addTag('cache.taggable', ['pool' => 'tagged']);
        $container->register('own', TagAwareAdapter::class)->addTag('cache.taggable')->addTag('kernel.reset', ['method' => 'other']);
        $container->register('pool', TagAwareAdapter::class)->addTag('cache.taggable')->addTag('cache.pool');
        $container->register('foreign', \stdClass::class)->addTag('cache.taggable');
        (new LibrariesPass())->process($container);
        $tags = $container->findTaggedServiceIds('kernel.reset');
        self::assertSame(['tagged' => [['method' => 'reset']], 'own' => [['method' => 'other']]], $tags);
    }

    /** Two workers of one store: what one has invalidated the other does not believe any more once it has been reset. */
    public function testAResetForgetsVersionsOfTags(): void
    {
        $store = new ArrayAdapter();
        [$one, $other] = [new TagAwareAdapter($store), new TagAwareAdapter($store)];
        $item = $one->getItem('key')->set('value');
        $one->save($item->tag('tag'));
        self::assertTrue($one->getItem('key')->isHit());
        $other->invalidateTags(['tag']);
        self::assertTrue($one->getItem('key')->isHit(), 'it has read the tag a moment ago: without a reset this test would show nothing');
        $one->reset();
        self::assertFalse($one->getItem('key')->isHit());
    }
}
