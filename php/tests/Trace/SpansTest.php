<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\Trace;

use Doctrine\DBAL\Configuration;
use Doctrine\DBAL\Connection;
use Doctrine\DBAL\Driver\Middleware;
use Doctrine\DBAL\Driver\PDO\SQLite\Driver;
use Doctrine\DBAL\DriverManager;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\Tests\Compiled;
use Supercharger\Runtime\Trace\ContextClient;
use Supercharger\Runtime\Trace\ControllerListener;
use Supercharger\Runtime\Trace\Doctrine\Database;
use Supercharger\Runtime\Trace\Doctrine\SpanMiddleware;
use Supercharger\Runtime\Trace\Doctrine\Sql;
use Supercharger\Runtime\Trace\Spans;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\HttpClient\MockHttpClient;
use Symfony\Component\HttpClient\Response\MockResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\Controller\ControllerResolverInterface;
use Symfony\Component\HttpKernel\Event\ControllerArgumentsEvent;
use Symfony\Component\HttpKernel\HttpKernel;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Contracts\HttpClient\HttpClientInterface;

final class SpansTest extends TestCase
{
    private const string CONTEXT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

    /** @var list<array{string, array<string, mixed>, string, string|null, array<string, mixed>}> spans in the order of their end */
    private array $told = [];
    /** @var array<int, array{string, array<string, mixed>, string}> */
    private array $open = [];
    private bool $sampled = true;

    protected function tearDown(): void
    {
        unset($_SERVER['HTTP_TRACESTATE']);
    }

    public function testUnderAnotherServerNothingHappens(): void
    {
        foreach ([new Spans(), Spans::ofServer()] as $spans) {
            self::assertFalse($spans->wanted());
            self::assertSame(0, $spans->start('work'));
            $spans->end(0, new \LogicException());
            $spans->end(7);
            self::assertSame('', $spans->context());
        }
    }

    public function testEachControllerHasASpan(): void
    {
        $kernel = null;
        $kernel = $this->kernel(function (string $path) use (&$kernel): mixed {
            return match ($path) {
                '/method' => [new Pages(), 'page'],
                '/static' => Pages::class.'::still',
                '/pair' => [Pages::class, 'still'],
                '/invoked' => new Pages(),
                '/firstClass' => (new Pages())->page(...),
                '/thrown' => [new Pages(), 'thrown'],
                '/anonymous' => new class {
                    public function __invoke(): Response
                    {
                        return new Response();
                    }
                },
                '/sub' => static fn () => $kernel->handle(Request::create('/method'), HttpKernelInterface::SUB_REQUEST),
            };
        });
        $name = function (string $path) use ($kernel): string {
            $this->told = [];
            $kernel->handle(Request::create($path));

            return implode(' ', array_column($this->told, 0));
        };
        self::assertSame(Pages::class.'::page', $name('/method'));
        self::assertSame(['code.function.name' => Pages::class.'::page'], $this->told[0][1]);
        self::assertSame('internal', $this->told[0][2]);
        self::assertSame(Pages::class.'::still', $name('/static'));
        self::assertSame(Pages::class.'::still', $name('/pair'));
        self::assertSame(Pages::class.'::__invoke', $name('/invoked'));
        self::assertSame(Pages::class.'::page', $name('/firstClass'));
        self::assertSame('class@anonymous::__invoke', $name('/anonymous'));
        self::assertSame(Pages::class.'::page '.self::class.'::{closure}', $name('/sub'), 'the inner one ends first');
        try {
            $name('/thrown');
            self::fail('nobody has caught it');
        } catch (\DomainException) {
        }
        self::assertSame('DomainException', $this->told[0][3] ?? null);
        self::assertSame([], $this->open, 'none is left');
    }

    public function testARequestMayBeHandledOnceMoreWithinItself(): void
    {
        $request = Request::create('/');
        $times = 0;
        $kernel = null;
        $kernel = $this->kernel(static function () use (&$kernel, &$times, $request): mixed {
            return match (++$times) {
                1 => static fn () => $kernel->handle($request, HttpKernelInterface::SUB_REQUEST),
                2 => [new Pages(), 'page'],
                3 => static fn () => $kernel->handle($request, HttpKernelInterface::SUB_REQUEST, false),
                4 => [new Pages(), 'thrown'],
            };
        });
        $kernel->handle($request);
        self::assertSame([Pages::class.'::page', self::class.'::{closure}'], array_column($this->told, 0), 'the inner one ends first');
        self::assertSame([], $this->open, 'none is left');
        $this->told = [];
        try {
            $kernel->handle($request);
            self::fail('nobody has caught it');
        } catch (\DomainException) {
        }
        self::assertSame(['DomainException', 'DomainException'], array_column($this->told, 3), 'each is told of what it threw');
        self::assertSame([], $this->open, 'none is left');
    }

    public function testWhatIsNotSampledCostsNothing(): void
    {
        $asked = 0;
        $start = static function () use (&$asked): int {
            return ++$asked;
        };
        $sampled = false;
        $isSampled = static function () use (&$sampled): bool {
            return $sampled;
        };
        $spans = new Spans($start, static fn (): bool => true, null, true, $isSampled);
        $configuration = (new Configuration())->setMiddlewares([new SpanMiddleware($spans)]);
        $connection = DriverManager::getConnection(['driver' => 'pdo_sqlite', 'memory' => true], $configuration);
        $kernel = $this->kernel(static fn () => [new Pages(), 'page'], new ControllerListener($spans));
        self::assertSame(1, (int) $connection->fetchOne('SELECT 1'));
        $kernel->handle(Request::create('/'));
        self::assertSame(0, $asked, 'nothing was made for it');
        $sampled = true;
        self::assertSame(1, (int) $connection->fetchOne('SELECT 1'));
        $kernel->handle(Request::create('/'));
        self::assertSame(2, $asked);
    }

    public function testWithoutTracingNobodyIsAskedForASpan(): void
    {
        $asked = 0;
        $listener = new ControllerListener(new Spans(static function () use (&$asked): int {
            return ++$asked;
        }));
        $kernel = $this->kernel(static fn () => [new Pages(), 'page'], $listener);
        self::assertSame(200, $kernel->handle(Request::create('/'))->getStatusCode());
        self::assertSame(0, $asked);
    }

    public function testARequestThatIsNotSampledHasNone(): void
    {
        $this->sampled = false;
        $this->kernel(static fn () => [new Pages(), 'page'])->handle(Request::create('/'));
        self::assertSame([], $this->told);
    }

    public function testEachStatementHasASpan(): void
    {
        $connection = $this->connection();
        $connection->executeStatement('CREATE TABLE item (name TEXT)');
        $connection->executeStatement('INSERT INTO item VALUES (?)', ['secret']);
        self::assertSame('secret', $connection->executeQuery("SELECT name FROM item WHERE 'secret' = 'secret' LIMIT 7")->fetchOne());
        self::assertSame(1, (int) $connection->fetchOne('select count(*) from item where name = ?', ['secret']));
        $shown = array_map(static fn (array $span) => $span[0].': '.$span[4]['db.query.text'], $this->told);
        self::assertSame([
            'CREATE: CREATE TABLE item (name TEXT)',
            'INSERT: INSERT INTO item VALUES (?)',
            'SELECT: SELECT name FROM item WHERE ? = ? LIMIT ?',
            'SELECT: select count(*) from item where name = ?',
        ], $shown);
        self::assertSame(['db.system.name' => 'sqlite'], $this->told[0][1]);
        self::assertSame('client', $this->told[0][2]);
        self::assertSame('CREATE', $this->told[0][4]['db.operation.name']);
        $this->told = [];
        try {
            $connection->executeQuery('SELECT nothing FROM nowhere');
            self::fail('there is no such table');
        } catch (\Doctrine\DBAL\Exception) {
        }
        self::assertStringContainsString('Exception', $this->told[0][3] ?? '');
        $this->sampled = false;
        $this->told = [];
        self::assertSame('secret', $connection->fetchOne('SELECT name FROM item'));
        self::assertSame([], $this->told);
    }

    public function testWithoutTracingTheDriverIsLeftAlone(): void
    {
        $driver = new Driver();
        self::assertSame($driver, (new SpanMiddleware(new Spans()))->wrap($driver));
        self::assertNotSame($driver, (new SpanMiddleware($this->spans()))->wrap($driver));
    }

    #[DataProvider('statements')]
    public function testWhatIsShownOfAStatement(string $sql, string $system, string $shown, string $operation = 'SELECT'): void
    {
        self::assertSame($shown, preg_replace('/\s+/', ' ', Sql::withoutData($sql, $system)));
        self::assertSame($operation, Sql::operation($sql));
    }

    /** @return iterable<array{0: string, 1: string, 2: string, 3?: string}> */
    public static function statements(): iterable
    {
        yield ['SELECT t0.id AS id_1 FROM note t0 WHERE t0.id = ? AND x = :name LIMIT 10', 'sqlite', 'SELECT t0.id AS id_1 FROM note t0 WHERE t0.id = ? AND x = :name LIMIT ?'];
        yield ["INSERT INTO a (b) VALUES ('it''s secret', N'secret', 3.5e3, 0xfe, -4)", '', 'INSERT INTO a (b) VALUES (?, ?, ?, ?, -?)', 'INSERT'];
        yield ["SELECT 'C:\\', 'secret'", 'postgresql', 'SELECT'];
        yield ["SELECT 'it\\'s', 'secret'", 'mysql', 'SELECT'];
        yield ["SELECT \"secret\", `a b` FROM x # secret\n WHERE y--1 -- secret\n = 3", 'mysql', 'SELECT ?, `a b` FROM x WHERE y--? = ?'];
        yield ['SELECT "na me" FROM x WHERE b = $1 AND c = $tag$ sec\'ret $tag$ AND d = $$secret$$ AND e = 5::int', 'postgresql', 'SELECT "na me" FROM x WHERE b = $1 AND c = ? AND d = ? AND e = ?::int'];
        yield ["SELECT a #> '{secret}' -- secret\n FROM b", 'postgresql', 'SELECT a #> ? FROM b'];
        yield ["SELECT [it's] FROM a WHERE b = 'secret' /* secret */ AND c = 1", 'microsoft.sql_server', "SELECT [it's] FROM a WHERE b = ? AND c = ?"];
        yield ["SELECT 'secret", '', 'SELECT'];
        yield ["SELECT /* a /* b */ 'x' */ secret", '', 'SELECT'];
        yield ['SELECT $tag$ secret', 'postgresql', 'SELECT'];
        yield ['(select 1) union (select 2)', '', '(select ?) union (select ?)'];
        foreach (['sqlite', 'microsoft.sql_server', 'other_sql', 'mysql', ''] as $system) {
            yield ['SELECT a FROM b WHERE c = "se""cret" AND d = 5', $system, 'SELECT a FROM b WHERE c = ? AND d = ?'];
        }
        foreach (['postgresql', 'oracle.db', 'ibm.db2'] as $system) {
            yield ['SELECT "na me" FROM b WHERE c = 5', $system, 'SELECT "na me" FROM b WHERE c = ?'];
        }
        foreach (["q'[it's John's secret]'", "nQ'{a'b secret c'd}'"] as $text) {
            yield ['SELECT '.$text.' FROM dual', 'oracle.db', 'SELECT'];
            yield ['SELECT '.$text.' FROM dual', 'other_sql', 'SELECT'];
        }
        foreach (['postgresql', 'sqlite', 'other_sql'] as $system) {
            yield ['SELECT 4111_1111_1111_1111, 0b1011, 0xfe, 1.5e-3', $system, 'SELECT ?, ?, ?, ?-?'];
        }
        yield ['SELECT a[1:4711], b::int, :c', 'postgresql', 'SELECT a[?:?], b::int, :c'];
        yield ['SELECT $4711.00, $1', 'microsoft.sql_server', 'SELECT $?, $?'];
        yield ["SELECT [it's], `it's` FROM a WHERE b = 'secret'", 'sqlite', "SELECT [it's], `it's` FROM a WHERE b = ?"];
        yield ["SELECT [a]]it's] FROM a WHERE b = 'secret'", 'microsoft.sql_server', "SELECT [a]]it's] FROM a WHERE b = ?"];
        yield ['SELECT $A$ x $a$ secret $A$, $1', 'postgresql', 'SELECT ?, $1'];
        yield ["SELECT \$\u{e9}\$ it's secret \$\u{e9}\$", 'postgresql', 'SELECT ?'];
        yield ["SELECT 1 -- it's\r, 'a\nsecret'", 'postgresql', 'SELECT'];
        foreach (['# secret', '`a`', "[it's]", "--'a\nsecret'", '$$secret$$'] as $text) {
            yield ['SELECT 1 '.$text, 'other_sql', 'SELECT'];
        }
        yield ["SELECT a FROM b WHERE c = 'known' AND d = 'C:\\'", 'postgresql', 'SELECT'];
        yield ["x in (1,2,3) and _utf8'secret' and a1 = b2", '', 'x in (?,?,?) and ? and a1 = b2', 'X'];
        yield ['SELECT '.str_repeat("'secret', ", 5000), '', 'SELECT '.trim(str_repeat('?, ', 1637))];
        yield ['', '', '', 'SQL'];
        yield ["\n\t(  with a as (select 1)", '', '( with a as (select ?)', 'WITH'];
    }

    public function testDatabasesAreCalledAsTheConventionsHaveIt(): void
    {
        $of = static fn (array $params) => Database::of($params)->attributes;
        self::assertSame(['db.system.name' => 'sqlite'], $of(['driver' => 'pdo_sqlite', 'path' => '/secret', 'password' => 'secret']));
        self::assertSame(
            ['db.system.name' => 'postgresql', 'db.namespace' => 'shop', 'server.address' => 'db', 'server.port' => 5432],
            $of(['driver' => 'pdo_pgsql', 'dbname' => 'shop', 'host' => 'db', 'port' => '5432', 'user' => 'secret']),
        );
        foreach (['mysqli' => 'mysql', 'pdo_mysql' => 'mysql', 'sqlsrv' => 'microsoft.sql_server', 'oci8' => 'oracle.db', 'ibm_db2' => 'ibm.db2', 'mine' => 'other_sql'] as $driver => $system) {
            self::assertSame(['db.system.name' => $system], $of(['driver' => $driver]));
        }
        self::assertSame(['db.system.name' => 'sqlite'], $of(['driverClass' => Driver::class]));
    }

    public function testWhoIsAskedLearnsOfTheTrace(): void
    {
        $sent = [];
        $mock = new MockHttpClient(static function (string $method, string $url, array $options) use (&$sent): MockResponse {
            $sent[] = array_values(array_filter($options['headers'], static fn (string $header) => str_starts_with(strtolower($header), 'trace')));

            return new MockResponse('yes');
        });
        $client = new ContextClient($mock, $this->spans());
        self::assertSame('yes', $client->request('GET', 'http://example.org/')->getContent());
        $_SERVER['HTTP_TRACESTATE'] = 'vendor=1';
        $client->request('GET', 'http://example.org/', ['headers' => ['X-A' => '1']])->getContent();
        foreach ([['TraceParent' => 'mine'], ['Traceparent: mine'], new \ArrayIterator(['traceparent' => ['mine']])] as $own) {
            $client->request('GET', 'http://example.org/', ['headers' => $own])->getContent();
        }
        $scoped = $client->withOptions(['base_uri' => 'http://example.org/']);
        self::assertNotSame($client, $scoped);
        $response = $scoped->request('GET', 'there');
        foreach ($scoped->stream($response) as $chunk) {
            self::assertNull($chunk->getError());
        }
        (new ContextClient($mock, new Spans()))->request('GET', 'http://example.org/')->getContent();
        $client->reset();
        $context = 'traceparent: '.self::CONTEXT;
        self::assertSame([
            [$context], [$context, 'tracestate: vendor=1'], ['TraceParent: mine'], ['Traceparent: mine'], ['traceparent: mine'], [$context, 'tracestate: vendor=1'], [],
        ], $sent);
    }

    public function testItIsPartOfAnApplication(): void
    {
        $open = static function (ContainerBuilder $container): void {
            $container->setAlias('test.client', 'http_client')->setPublic(true);
            $container->setAlias('test.inner', HttpClientInterface::class)->setPublic(true);
        };
        foreach ([true, false] as $wanted) {
            $kernel = Compiled::booted(['trace' => ['controller' => $wanted, 'doctrine' => $wanted, 'http_client' => $wanted]], $open, [], ['http_client' => ['enabled' => true]]);
            try {
                $dispatcher = $kernel->getContainer()->get('event_dispatcher');
                self::assertInstanceOf(\Symfony\Component\EventDispatcher\EventDispatcherInterface::class, $dispatcher);
                $listeners = array_filter($dispatcher->getListeners('kernel.controller_arguments'), static fn (mixed $of): bool => \is_array($of) && $of[0] instanceof ControllerListener);
                self::assertCount($wanted ? 1 : 0, $listeners);
                self::assertSame($wanted, self::wraps($kernel->getContainer()->get('test.client'), ContextClient::class));
            } finally {
                $kernel->remove();
            }
        }
        $container = Compiled::bundleAlone([], static fn (ContainerBuilder $container) => $container->setAlias('test', SpanMiddleware::class)->setPublic(true));
        self::assertInstanceOf(Middleware::class, $container->get('test'));
    }

    /** Whether an object of that class is within, however deep. */
    private static function wraps(mixed $object, string $class): bool
    {
        if (!\is_object($object) || $object instanceof $class) {
            return \is_object($object);
        }
        foreach ((array) $object as $inner) {
            if ($inner instanceof HttpClientInterface && self::wraps($inner, $class)) {
                return true;
            }
        }

        return false;
    }

    private function spans(): Spans
    {
        return new Spans(
            function (string $name, array $attributes, string $kind): int {
                if (!$this->sampled) {
                    return 0;
                }
                $this->open[] = [$name, $attributes, $kind];

                return array_key_last($this->open) + 1;
            },
            function (int $span, ?string $error, array $attributes): bool {
                $this->told[] = [...$this->open[$span - 1], $error, $attributes];
                unset($this->open[$span - 1]);

                return true;
            },
            static fn (): string => self::CONTEXT,
            true,
        );
    }

    private function connection(): Connection
    {
        $configuration = (new Configuration())->setMiddlewares([new SpanMiddleware($this->spans())]);

        return DriverManager::getConnection(['driver' => 'pdo_sqlite', 'memory' => true], $configuration);
    }

    private function kernel(\Closure $controller, ?ControllerListener $listener = null): HttpKernel
    {
        $dispatcher = new EventDispatcher();
        $listener ??= new ControllerListener($this->spans());
        $dispatcher->addListener('kernel.controller_arguments', $listener->onArguments(...));
        $dispatcher->addListener('kernel.response', $listener->onReturn(...));
        $dispatcher->addListener('kernel.view', $listener->onReturn(...));
        $dispatcher->addListener('kernel.exception', $listener->onException(...));

        return new HttpKernel($dispatcher, new readonly class($controller) implements ControllerResolverInterface {
            public function __construct(private \Closure $controller)
            {
            }

            public function getController(Request $request): callable|false
            {
                return ($this->controller)($request->getPathInfo());
            }
        });
    }
}

final class Pages
{
    public function __invoke(): Response
    {
        return new Response();
    }

    public function page(): Response
    {
        return new Response();
    }

    public static function still(): Response
    {
        return new Response();
    }

    public function thrown(): never
    {
        throw new \DomainException('no');
    }
}
