<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\App;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\App\Answer;
use Supercharger\Runtime\App\Application;
use Supercharger\Runtime\App\Loop;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

/** What needs no server; over real sockets the forms are tested in tests/it/applications.rs. */
final class ApplicationTest extends TestCase
{
    /** @param mixed $answer what an application returns */
    #[DataProvider('answers')]
    public function testWhatIsReturnedIsPrinted(mixed $answer, string $printed): void
    {
        $this->expectOutputString($printed);
        Answer::send($answer);
    }

    /** @return iterable<string, array{mixed, string}> */
    public static function answers(): iterable
    {
        yield 'nothing' => [null, ''];
        yield 'a text' => ['text', 'text'];
        yield 'what is like a text' => [new class implements \Stringable {
            public function __toString(): string
            {
                return 'like a text';
            }
        }, 'like a text'];
        yield 'an array' => [['body' => 'body'], 'body'];
        yield 'an array without a body' => [['status' => 204], ''];
        yield 'an object' => [(object) ['statusCode' => 200, 'headers' => [], 'body' => 'of an object'], 'of an object'];
        $pieces = static function (): \Generator {
            yield 'in ';
            yield 'pieces';
        };
        yield 'pieces' => [['body' => $pieces()], 'in pieces'];
        $stream = fopen('php://memory', 'r+');
        self::assertIsResource($stream);
        fwrite($stream, 'from a stream');
        rewind($stream);
        yield 'a stream' => [['body' => $stream], 'from a stream'];
    }

    public function testWhatIsNoResponseIsRefused(): void
    {
        $this->expectExceptionMessage('An application returned int, which is no response.');
        Answer::send(42);
    }

    public function testAFunctionWithoutParametersIsCalledWithNone(): void
    {
        $this->expectOutputString('served');
        Application::of(static fn (): string => 'served')();
    }

    public function testARequestOfHttpFoundationIsMadeOfSuperglobals(): void
    {
        $_GET = ['a' => 'b'];
        $this->expectOutputString('b');
        try {
            Application::of(static fn (Request $request): Response => new Response($request->query->getString('a')))();
        } finally {
            $_GET = [];
        }
    }

    public function testWhatCannotBeCalledIsSaid(): void
    {
        $this->expectExceptionMessage('array is no application: give a PSR-15 RequestHandlerInterface or a callable.');
        Application::of(['no', 'callable']);
    }

    public function testAnUnknownParameterIsSaid(): void
    {
        $this->expectExceptionMessage('Nobody knows what to give for DateTimeInterface $when');
        Application::of(static fn (\DateTimeInterface $when): string => '');
    }

    public function testAnEntryThatIsMissingIsSaid(): void
    {
        putenv('RUNTIME_APP_ENTRY');
        try {
            Loop::entry();
            self::fail('there is none');
        } catch (\LogicException $e) {
            self::assertStringContainsString('RUNTIME_APP_ENTRY is not set', $e->getMessage());
        }
        putenv('RUNTIME_APP_ENTRY=/no/such/file.php');
        $this->expectExceptionMessage('/no/such/file.php, which is no file');
        try {
            Loop::entry();
        } finally {
            putenv('RUNTIME_APP_ENTRY');
        }
    }

    public function testAnEntryIsTheFileOfTheCurrentFolder(): void
    {
        $folder = sys_get_temp_dir().'/'.bin2hex(random_bytes(8));
        mkdir("$folder/library", recursive: true);
        // What neither can be served tells which of them was loaded.
        file_put_contents("$folder/entry.php", '<?php return 42;');
        file_put_contents("$folder/library/entry.php", '<?php return 4.2;');
        [$before, $path] = [(string) getcwd(), (string) set_include_path("$folder/library")];
        chdir($folder);
        putenv('RUNTIME_APP_ENTRY=entry.php');
        $this->expectExceptionMessage('int is no application');
        try {
            Loop::entry();
        } finally {
            putenv('RUNTIME_APP_ENTRY');
            chdir($before);
            set_include_path($path);
            array_map(unlink(...), ["$folder/entry.php", "$folder/library/entry.php"]);
            array_map(rmdir(...), ["$folder/library", $folder]);
        }
    }
}
