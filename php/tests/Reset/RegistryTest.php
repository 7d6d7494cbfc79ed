<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Reset;

use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Reset\CompositeResetter;
use Supercharger\Runtime\Reset\ResetFailed;
use Supercharger\Runtime\Reset\ResetRegistry;
use Supercharger\Runtime\Reset\ResetReport;
use Supercharger\Runtime\Reset\ResetterInterface;
use Supercharger\Runtime\Reset\ResetterPass;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Exception\InvalidArgumentException;

final class RegistryTest extends TestCase
{
    public function testEachRunsWhateverTheOthersDo(): void
    {
        $log = new \ArrayObject();
        $resetter = static fn (string $name, ?\Throwable $thrown = null) => new class($log, $name, $thrown) implements ResetterInterface {
            /** @param \ArrayObject<int, string> $log */
            public function __construct(private readonly \ArrayObject $log, private readonly string $name, private readonly ?\Throwable $thrown)
            {
            }

            public function reset(): void
            {
                $this->log[] = $this->name;
                usleep(2000);
                if (null !== $this->thrown) {
                    throw $this->thrown;
                }
            }
        };
        $composite = new class implements CompositeResetter {
            public function resetAllInto(ResetReport $report): void
            {
                $report->run('part one', static fn () => null);
                $report->run('part two', static fn () => throw new \LogicException('no'));
                throw new \TypeError('all of it');
            }
        };
        $registry = new ResetRegistry([
            'first' => $resetter('first', new \DomainException('bad')),
            'second' => $resetter('second', new \Error('worse')),
            'composite' => $composite,
            'third' => $resetter('third'),
        ]);
        self::assertNull($registry->last());
        $report = $registry->resetAll();
        self::assertSame(['first', 'second', 'third'], $log->getArrayCopy());
        self::assertSame(5, $report->resetCount, 'parts count one by one, what holds them together does not');
        self::assertSame(4, $report->errorCount);
        self::assertSame(['DomainException: bad', 'Error: worse', 'LogicException: no', 'TypeError: all of it'], $report->errors);
        self::assertSame(['first', 'second', 'part two', 'composite'], array_keys($report->failures));
        self::assertGreaterThanOrEqual(6.0, $report->durationMs);
        self::assertGreaterThanOrEqual(2.0, $report->times['third']);
        self::assertSame($report, $registry->last());
        self::assertSame(['resetCount', 'errorCount', 'durationMs', 'errors'], array_keys($report->toArray()));
        self::assertSame(4, $registry->resetAll()->errorCount, 'a run knows nothing of the one before');
        self::assertStringContainsString('4 of 5 resetters failed: first, second', (new ResetFailed($report))->getMessage());
    }

    public function testOneThatCannotBeMadeIsAFailureAndKeepsNoOtherFromItsReset(): void
    {
        $container = Compiled::bundleAlone([], static function (ContainerBuilder $container): void {
            foreach (['before' => 5, 'after' => -5] as $id => $priority) {
                $container->register($id, AlsoCounting::class)->addTag('supercharger.resetter', ['priority' => $priority])->setPublic(true);
            }
            $container->register('unmade', Unmade::class)->setAutoconfigured(true);
        });
        $registry = $container->get(ResetterPass::REGISTRY);
        self::assertInstanceOf(ResetRegistry::class, $registry);
        $report = $registry->resetAll();
        self::assertSame(['before', 'after'], array_keys($report->times));
        self::assertSame(['unmade'], array_keys($report->failures));
        self::assertSame(['RuntimeException: cannot be made'], $report->errors);
        self::assertSame(1, $container->get('after')->resets);
    }

    public function testNothingRunsIfItIsOff(): void
    {
        $registry = new ResetRegistry(['x' => new class implements ResetterInterface {
            public function reset(): void
            {
                throw new \LogicException('it has been run');
            }
        }], [], false);
        self::assertSame(0, $registry->resetAll()->resetCount);
        $registry->resetAndReport();
    }

    public function testWhatIsLazyAndUnusedIsLeftAlone(): void
    {
        $lazy = (new \ReflectionClass(Counting::class))->newLazyGhost(static function (): void {
            throw new \LogicException('it has been made');
        });
        self::assertSame(0, (new ResetRegistry(['lazy' => $lazy]))->resetAll()->resetCount);
    }

    public function testResettersAreFoundByInterfaceAndByEachTag(): void
    {
        $container = Compiled::bundleAlone([], static function (ContainerBuilder $container): void {
            $container->register('by.interface', AlsoCounting::class)->setAutoconfigured(true)->setPublic(true);
            foreach (['supercharger.resetter', 'runtime_supercharger_resetter', 'runtime.reset'] as $tag) {
                $container->register("by.$tag", Counting::class)->addTag($tag, ['method' => 'forget'])->setPublic(true);
                $container->register("unused.$tag", Counting::class)->addTag($tag, ['method' => 'forget'])->setPublic(true);
            }
            $container->register('last', AlsoCounting::class)->addTag('runtime.reset', ['priority' => -5])->setPublic(true);
            $container->register('first', AlsoCounting::class)->addTag('supercharger.resetter', ['priority' => 5])->setPublic(true);
        });
        foreach (['supercharger.resetter', 'runtime_supercharger_resetter', 'runtime.reset'] as $tag) {
            $container->get("by.$tag");
        }
        $registry = $container->get(ResetterPass::REGISTRY);
        self::assertInstanceOf(ResetRegistry::class, $registry);
        $report = $registry->resetAll();
        self::assertSame([], $report->errors);
        $names = array_keys($report->times);
        self::assertSame('first', $names[0]);
        self::assertSame('last', $names[\count($names) - 1]);
        self::assertEqualsCanonicalizing(
            ['first', 'last', 'by.interface', 'by.supercharger.resetter', 'by.runtime_supercharger_resetter', 'by.runtime.reset'],
            $names,
            'what is tagged and nobody has used is not made for its reset',
        );
        foreach (['by.runtime.reset', 'by.interface'] as $id) {
            self::assertSame(1, $container->get($id)->resets);
        }
    }

    public function testAMethodThatIsNotThereIsRefusedWhenTheContainerIsCompiled(): void
    {
        $this->expectException(InvalidArgumentException::class);
        $this->expectExceptionMessageMatches('/"wrong".*reset\(\)/');
        Compiled::bundleAlone([], static function (ContainerBuilder $container): void {
            $container->register('wrong', Counting::class)->addTag('runtime.reset')->setPublic(true);
        });
    }

    public function testAttributesOfTheWrongKindAreRefused(): void
    {
        $this->expectException(InvalidArgumentException::class);
        $this->expectExceptionMessageMatches('/"wrong".*priority/');
        Compiled::bundleAlone([], static function (ContainerBuilder $container): void {
            $container->register('wrong', Counting::class)->addTag('runtime.reset', ['method' => 'forget', 'priority' => 'high'])->setPublic(true);
        });
    }
}

class Counting
{
    public int $resets = 0;

    public function forget(): void
    {
        ++$this->resets;
    }
}

final class AlsoCounting extends Counting implements ResetterInterface
{
    public function reset(): void
    {
        $this->forget();
    }
}

final class Unmade implements ResetterInterface
{
    public function __construct()
    {
        throw new \RuntimeException('cannot be made');
    }

    public function reset(): void
    {
    }
}
