<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Monolog;

use Monolog\Handler\TestHandler;
use Monolog\Level;
use Monolog\Logger;
use Monolog\LogRecord;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Monolog\WorkerProcessor;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\RequestStack;

final class ProcessorTest extends TestCase
{
    public function testARecordSaysWhoHasWrittenItAndForWhom(): void
    {
        $stack = new RequestStack();
        $state = ['pool' => 'default', 'slot' => 3, 'incarnation' => 2, 'request_id' => 'r-1', 'mode' => 'worker'];
        $processor = new WorkerProcessor($stack, static function () use (&$state): array {
            return $state;
        });
        $request = Request::create('/orders/1');
        $request->attributes->set('_route', 'order');
        $stack->push($request);
        $worker = ['pool' => 'default', 'slot' => 3, 'incarnation' => 2];
        self::assertSame(['mine' => 1] + $worker + ['request_id' => 'r-1', 'route' => 'order'], $processor(self::record())->extra);
        $stack->pop();
        $state['request_id'] = '';
        self::assertSame(['mine' => 1] + $worker, $processor(self::record())->extra, 'between requests');
    }

    public function testElsewhereARecordIsLeftAlone(): void
    {
        $cli = ['pool' => '', 'slot' => 0, 'incarnation' => 0, 'request_id' => '', 'mode' => 'cli'];
        foreach ([new WorkerProcessor(null, static fn () => $cli), new WorkerProcessor(), WorkerProcessor::withServer()] as $processor) {
            self::assertSame(['mine' => 1], $processor(self::record())->extra);
        }
    }

    public function testEveryLoggerHasIt(): void
    {
        $container = Compiled::bundleAlone([], static function (ContainerBuilder $container): void {
            $container->register('handler', TestHandler::class);
            $container->register('log', Logger::class)->setArguments(['app', [new Reference('handler')]])->setPublic(true);
        });
        $log = $container->get('log');
        self::assertInstanceOf(Logger::class, $log);
        self::assertInstanceOf(WorkerProcessor::class, $log->getProcessors()[0]);
    }

    private static function record(): LogRecord
    {
        return new LogRecord(new \DateTimeImmutable(), 'app', Level::Info, 'said', [], ['mine' => 1]);
    }
}
