<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Idempotency;

use PHPUnit\Framework\Attributes\CoversClass;
use PHPUnit\Framework\TestCase;
use Psr\Log\NullLogger;
use Supercharger\Runtime\Idempotency\IdempotencyListener;
use Supercharger\Runtime\Idempotency\Idempotent;
use Supercharger\Runtime\Idempotency\Ledger;
use Supercharger\Runtime\Tests\Compiled;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\HttpFoundation\BinaryFileResponse;
use Symfony\Component\HttpFoundation\Cookie;
use Symfony\Component\HttpFoundation\File\UploadedFile;
use Symfony\Component\HttpFoundation\RedirectResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpFoundation\StreamedResponse;
use Symfony\Component\HttpKernel\Event\ExceptionEvent;
use Symfony\Component\HttpKernel\Exception\AccessDeniedHttpException;
use Symfony\Component\HttpKernel\Exception\ConflictHttpException;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;
use Symfony\Component\Security\Core\Exception\AccessDeniedException;

#[CoversClass(IdempotencyListener::class)]
final class ListenerTest extends TestCase
{
    private static ?Compiled $kernel = null;

    public static function setUpBeforeClass(): void
    {
        self::$kernel = Compiled::booted(
            change: static function (ContainerBuilder $container): void {
                $container->register('logger', NullLogger::class);
                $container->register(EntryPoint::class)->addTag('kernel.event_listener', ['event' => 'kernel.exception']);
                $container->register(Paying::class)->setPublic(true)->addTag('controller.service_arguments');
            },
            routes: static function (RoutingConfigurator $routes): void {
                foreach (['pay', 'broken', 'refused', 'streamed', 'file', 'denied'] as $name) {
                    $routes->add($name, '/'.$name)->controller([Paying::class, $name]);
                }
                $routes->add('route', '/route')->controller([Paying::class, 'plain'])->defaults(['_idempotent' => ['required' => true]]);
                $routes->add('free', '/free')->controller([Paying::class, 'plain']);
            },
        );
    }

    public static function tearDownAfterClass(): void
    {
        self::$kernel?->remove();
        self::$kernel = null;
    }

    protected function setUp(): void
    {
        supercharger_store_clear();
        Paying::$calls = 0;
    }

    /** @param array<string, string> $fields */
    private static function send(string $path, string $body = 'b', string $method = 'POST', ?string $key = 'k', array $fields = []): Response
    {
        $request = Request::create($path, $method, content: $body);
        $request->headers->add($fields + (null === $key ? [] : ['Idempotency-Key' => $key]));
        self::assertNotNull(self::$kernel);

        return self::$kernel->handle($request);
    }

    public function testReplay(): void
    {
        $first = self::send('/pay');
        self::assertSame([201, 'receipt 1', null], [$first->getStatusCode(), $first->getContent(), $first->headers->get(Ledger::REPLAYED)]);
        $again = self::send('/pay');
        self::assertSame([201, 'receipt 1', 'true'], [$again->getStatusCode(), $again->getContent(), $again->headers->get(Ledger::REPLAYED)]);
        self::assertSame('17', $again->headers->get('X-Receipt'));
        self::assertSame([], $again->headers->getCookies());
        self::assertSame(422, self::send('/pay', 'other')->getStatusCode());
        self::assertSame(422, self::send('/pay?q=1')->getStatusCode());
        self::assertSame('receipt 2', self::send('/pay', fields: ['Authorization' => 'Bearer other'])->getContent());
        self::assertSame('receipt 3', self::send('/pay', key: null)->getContent());
        self::assertSame('receipt 4', self::send('/pay', method: 'GET')->getContent());
        self::assertSame(400, self::send('/pay', key: 'with blank')->getStatusCode());
    }

    public function testRoutesAndOthers(): void
    {
        self::assertSame(400, self::send('/route', key: null)->getStatusCode());
        self::assertSame([200, 200], [self::send('/route')->getStatusCode(), self::send('/route')->getStatusCode()]);
        self::assertSame(1, Paying::$calls);
        self::send('/free');
        self::send('/free');
        self::assertSame(3, Paying::$calls);
    }

    public function testWhatIsKept(): void
    {
        self::assertSame([500, 500], [self::send('/broken')->getStatusCode(), self::send('/broken')->getStatusCode()]);
        self::assertSame(2, Paying::$calls);
        self::assertSame([409, 409], [self::send('/refused')->getStatusCode(), self::send('/refused')->getStatusCode()]);
        self::assertSame(3, Paying::$calls);
        foreach (['/streamed', '/file'] as $path) {
            self::assertSame(200, self::send($path)->getStatusCode());
            self::assertStringContainsString('idempotency_answer_not_kept', (string) self::send($path)->getContent());
        }
        self::assertSame(5, Paying::$calls);
    }

    public function testAnotherHostHasKeysOfItsOwn(): void
    {
        foreach (['http://a.test', 'http://b.test', 'http://b.test:81'] as $number => $host) {
            self::assertSame('receipt '.($number + 1), self::send($host.'/pay')->getContent());
            self::assertSame('receipt '.($number + 1), self::send($host.'/pay')->getContent());
        }
    }

    public function testWhoWasRefusedFromInsideMayTryAgain(): void
    {
        $deny = static function (string $kind): int {
            return self::send('/denied?'.$kind)->getStatusCode();
        };
        self::assertSame([403, 403], [$deny('http'), $deny('http')]);
        self::assertSame(2, Paying::$calls);
        // An entry point makes a redirect of it, which by itself would be an answer for ever.
        self::assertSame([302, 302], [$deny('security'), $deny('security')]);
        self::assertSame(4, Paying::$calls);
    }

    public function testFormsWithFiles(): void
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'upload');
        $send = static function (string $content, string $field) use ($file): int {
            file_put_contents($file, $content);
            $request = Request::create('/pay', 'POST', ['field' => $field], files: ['f' => ['deep' => new UploadedFile($file, 'a', test: true)]]);
            $request->headers->set('Idempotency-Key', 'form');
            self::assertNotNull(self::$kernel);

            return self::$kernel->handle($request)->getStatusCode();
        };
        try {
            self::assertSame([201, 201, 422, 422], [$send('a', '1'), $send('a', '1'), $send('b', '1'), $send('a', '2')]);
            self::assertSame(1, Paying::$calls);
        } finally {
            unlink($file);
        }
    }
}

final class EntryPoint
{
    public function __invoke(ExceptionEvent $event): void
    {
        if ($event->getThrowable() instanceof AccessDeniedException) {
            $event->setResponse(new RedirectResponse('/login'));
        }
    }
}

final class Paying
{
    public static int $calls = 0;

    #[Idempotent]
    public function pay(): Response
    {
        $response = new Response('receipt '.++self::$calls, 201, ['X-Receipt' => '17']);
        $response->headers->setCookie(new Cookie('secret', 'of one browser'));

        return $response;
    }

    #[Idempotent]
    public function broken(): Response
    {
        ++self::$calls;
        throw new \RuntimeException('deliberate');
    }

    #[Idempotent]
    public function refused(): Response
    {
        ++self::$calls;
        throw new ConflictHttpException('deliberate');
    }

    #[Idempotent]
    public function denied(Request $request): Response
    {
        ++self::$calls;
        throw $request->query->has('http') ? new AccessDeniedHttpException('deliberate') : new AccessDeniedException('deliberate');
    }

    #[Idempotent]
    public function streamed(): Response
    {
        ++self::$calls;

        return new StreamedResponse(static function (): void {});
    }

    #[Idempotent]
    public function file(): Response
    {
        ++self::$calls;

        return new BinaryFileResponse(__FILE__, 200, ['Content-Type' => 'text/plain']);
    }

    public function plain(): Response
    {
        return new Response('call '.++self::$calls);
    }
}
