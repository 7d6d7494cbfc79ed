<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Idempotency;

use Nyholm\Psr7\Factory\Psr17Factory;
use Nyholm\Psr7\ServerRequest;
use Nyholm\Psr7\Stream;
use PHPUnit\Framework\Attributes\CoversClass;
use PHPUnit\Framework\TestCase;
use Psr\Http\Message\RequestFactoryInterface;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\RequestHandlerInterface;
use Supercharger\Runtime\Idempotency\Answer;
use Supercharger\Runtime\Idempotency\Attempt;
use Supercharger\Runtime\Idempotency\IdempotencyMiddleware;
use Supercharger\Runtime\Idempotency\Idempotent;
use Supercharger\Runtime\Idempotency\Ledger;
use Supercharger\Runtime\Idempotency\Refusal;

#[CoversClass(Answer::class)]
#[CoversClass(Attempt::class)]
#[CoversClass(Idempotent::class)]
#[CoversClass(IdempotencyMiddleware::class)]
#[CoversClass(Ledger::class)]
#[CoversClass(Refusal::class)]
final class LedgerTest extends TestCase
{
    public function testOneAttemptAtATimeAndOneAnswerForEver(): void
    {
        [$ledger, $rule] = [new Ledger(), new Idempotent()];
        $begin = static fn (string $print = 'print', string $scope = __METHOD__) => $ledger->begin($rule, 'key', $scope, $print);
        $attempt = $begin();
        self::assertInstanceOf(Attempt::class, $attempt);
        self::assertSame(Refusal::InFlight, $begin());
        $attempt->abandon();
        $attempt = $begin();
        self::assertInstanceOf(Attempt::class, $attempt);
        $attempt->finish(new Answer(201, ['X' => ['1']], 'body'));
        $attempt->finish(new Answer(500, [], 'too late'));
        self::assertEquals(new Answer(201, ['X' => ['1']], 'body'), $begin());
        self::assertSame(Refusal::OtherRequest, $begin('another'));
        $other = $begin('another', 'elsewhere'.__METHOD__);
        self::assertInstanceOf(Attempt::class, $other);
        $other->abandon();
    }

    public function testWhatIsNotKeptIsToldAndWhatLapsesIsForgotten(): void
    {
        $ledger = new Ledger();
        foreach ([new Answer(200, [], null), new Answer(200, [], 'too long')] as $number => $answer) {
            $begin = static fn () => $ledger->begin(new Idempotent(ttl: 1, maxBody: 4), "key$number", __METHOD__, 'print');
            $attempt = $begin();
            self::assertInstanceOf(Attempt::class, $attempt);
            $attempt->finish($answer);
            self::assertSame(Refusal::NotKept, $begin());
        }
        usleep(1_050_000);
        $attempt = $begin();
        self::assertInstanceOf(Attempt::class, $attempt);
        $attempt->abandon();
    }

    public function testTheFirstAnswerStaysAlsoOfTwoAtATime(): void
    {
        $name = 'idempotency:'.hash('sha256', __METHOD__."\0key");
        // The lock of the first one has lapsed: nobody knows of the other.
        $attempts = [new Attempt($name, 'one', 'print', new Idempotent()), new Attempt($name, 'two', 'print', new Idempotent())];
        $attempts[1]->finish(new Answer(201, [], 'first'));
        $attempts[0]->finish(new Answer(201, [], 'second'));
        self::assertEquals(new Answer(201, [], 'first'), (new Ledger())->begin(new Idempotent(), 'key', __METHOD__, 'print'));
    }

    public function testKeys(): void
    {
        $ledger = new Ledger();
        self::assertNull($ledger->begin(new Idempotent(), '', 's', 'p'));
        self::assertSame(Refusal::Missing, $ledger->begin(new Idempotent(required: true), '', 's', 'p'));
        foreach ([str_repeat('x', 256), 'a b', "a\n", "\x7f", 'ä'] as $key) {
            self::assertSame(Refusal::Invalid, $ledger->begin(new Idempotent(), $key, 's', 'p'));
        }
        foreach (Refusal::cases() as $refusal) {
            self::assertStringContainsString($refusal->value, $refusal->body('Idempotency-Key'));
            self::assertContains($refusal->status(), [400, 409, 422]);
            self::assertSame(Refusal::InFlight === $refusal, isset($refusal->headers()['Retry-After']));
        }
    }

    public function testRules(): void
    {
        self::assertNull(Idempotent::of(null));
        self::assertNull(Idempotent::of(false));
        self::assertEquals(new Idempotent(), Idempotent::of(true));
        self::assertEquals(new Idempotent(ttl: 5, required: true), Idempotent::of(['ttl' => 5, 'required' => true]));
        foreach ([['ttl' => '5'], ['unknown' => 1], ['ttl' => 0], ['scope' => 'header:'], ['maxBody' => -1], ['header' => '']] as $wrong) {
            try {
                Idempotent::of($wrong);
                self::fail(json_encode($wrong, \JSON_THROW_ON_ERROR));
            } catch (\InvalidArgumentException $refused) {
                self::assertNotSame('', $refused->getMessage());
            }
        }
        self::assertSame([true, true, false, false], array_map(Answer::isFinal(...), [201, 404, 429, 500]));
        self::assertSame([false, false, false, true], array_map(Answer::isFinal(...), [401, 403, 407, 422]));
        self::assertSame(['X-A' => ['1']], Answer::kept(['X-A' => ['1'], 'Set-Cookie' => ['secret'], 'date' => ['now']]));
    }

    public function testMiddleware(): void
    {
        if (!interface_exists(RequestFactoryInterface::class) || !interface_exists(RequestHandlerInterface::class)) {
            self::markTestSkipped('the interfaces of PSR-15 and PSR-17 are not among these libraries');
        }
        $factory = new Psr17Factory();
        $middleware = new IdempotencyMiddleware($factory, $factory, new Idempotent(scope: 'header:X-Customer'));
        $handler = new class($factory) implements RequestHandlerInterface {
            public int $calls = 0;
            public int $status = 201;

            public function __construct(private readonly Psr17Factory $factory)
            {
            }

            public function handle(ServerRequestInterface $request): ResponseInterface
            {
                ++$this->calls;

                return $this->factory->createResponse($this->status)->withHeader('X-Call', (string) $this->calls)
                    ->withBody($this->factory->createStream('call '.$this->calls));
            }
        };
        $send = static fn (string $method = 'POST', string $key = 'k', string $body = 'b', string $customer = '1') => $middleware->process(
            new ServerRequest($method, '/pay', ['Idempotency-Key' => $key, 'X-Customer' => $customer], $body),
            $handler,
        );
        self::assertSame('call 1', (string) $send()->getBody());
        $again = $send();
        self::assertSame([201, 'call 1', '1', 'true'], [$again->getStatusCode(), (string) $again->getBody(), $again->getHeaderLine('X-Call'), $again->getHeaderLine(Ledger::REPLAYED)]);
        self::assertSame(422, $send(body: 'other')->getStatusCode());
        self::assertSame(201, $send(customer: '2')->getStatusCode());
        self::assertSame(201, $send('GET')->getStatusCode());
        self::assertSame(201, $send(key: '')->getStatusCode());
        self::assertSame(4, $handler->calls);
        $handler->status = 503;
        self::assertSame([503, 503], [$send(key: 'fails')->getStatusCode(), $send(key: 'fails')->getStatusCode()]);
        self::assertSame(6, $handler->calls);
    }

    public function testTheMiddlewareLeavesBodiesAsTheyAre(): void
    {
        $factory = new Psr17Factory();
        $handler = new class($factory) implements RequestHandlerInterface {
            /** @var list<string> */
            public array $read = [];

            public function __construct(private readonly Psr17Factory $factory)
            {
            }

            public function handle(ServerRequestInterface $request): ResponseInterface
            {
                $this->read[] = $request->getBody()->getContents();
                $body = $this->factory->createStream('answer');
                $body->rewind();

                return $this->factory->createResponse()->withBody($body);
            }
        };
        $middleware = new IdempotencyMiddleware($factory, $factory);
        $pipe = static function (string $content): Stream {
            $pipe = popen('printf %s '.escapeshellarg($content), 'r');
            self::assertIsResource($pipe);

            return Stream::create($pipe);
        };
        foreach ([[], ['Idempotency-Key' => __METHOD__]] as $fields) {
            $body = $factory->createStream('seekable');
            $body->rewind();
            $answer = $middleware->process((new ServerRequest('POST', '/a', $fields))->withBody($body), $handler);
            self::assertSame('answer', $answer->getBody()->getContents());
            $once = $pipe('once');
            self::assertFalse($once->isSeekable());
            $middleware->process((new ServerRequest('POST', '/b', $fields))->withBody($once), $handler);
        }
        self::assertSame(['seekable', 'once', 'seekable', 'once'], $handler->read);
    }

    public function testTheMiddlewareTellsHostsAndFilesApart(): void
    {
        $factory = new Psr17Factory();
        $handler = new class($factory) implements RequestHandlerInterface {
            public int $calls = 0;

            public function __construct(private readonly Psr17Factory $factory)
            {
            }

            public function handle(ServerRequestInterface $request): ResponseInterface
            {
                return $this->factory->createResponse(201)->withHeader('X-Call', (string) ++$this->calls);
            }
        };
        $middleware = new IdempotencyMiddleware($factory, $factory);
        $send = static function (string $host, string $content) use ($middleware, $factory, $handler): int {
            $file = $factory->createUploadedFile($factory->createStream($content), \strlen($content), \UPLOAD_ERR_OK, 'name');
            $request = new ServerRequest('POST', "http://$host/pay", ['Idempotency-Key' => __METHOD__]);

            return $middleware->process($request->withParsedBody(['a' => '1'])->withUploadedFiles(['deep' => ['f' => $file]]), $handler)->getStatusCode();
        };
        self::assertSame([201, 201, 422], [$send('a.test', 'one'), $send('a.test', 'one'), $send('a.test', 'two')]);
        self::assertSame(1, $handler->calls);
        self::assertSame([201, 2], [$send('b.test', 'one'), $handler->calls]);
    }
}
