<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Tests\App;

use Nyholm\Psr7\Response;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\App\Answer;

/** The command line keeps the status and no headers; those are seen over real sockets, in tests/it/applications.rs. */
final class AnswerTest extends TestCase
{
    public function testAResponseThatIsATextTooIsSentAsAResponse(): void
    {
        $response = new class(201, ['Set-Cookie' => 'sid=1'], 'made') extends Response implements \Stringable {
            public function __toString(): string
            {
                return "HTTP/1.1 201 Created\r\nSet-Cookie: sid=1\r\n\r\nmade";
            }
        };
        $this->expectOutputString('made');
        self::assertSame(201, self::statusOf($response));
    }

    #[DataProvider('statuses')]
    public function testHeadersDoNotChangeTheStatus(int $status, string $header): void
    {
        self::assertSame($status, self::statusOf(new Response($status, [$header => '/x'])), 'PSR-7');
        self::assertSame($status, self::statusOf(['status' => $status, 'headers' => [$header => '/x']]), 'an array');
    }

    /** @return iterable<array{int, string}> */
    public static function statuses(): iterable
    {
        yield [200, 'Location'];
        yield [202, 'Location'];
        yield [308, 'Location'];
        yield [403, 'WWW-Authenticate'];
        yield [500, 'Location'];
    }

    public function testAnArrayWithALocationAndNoStatusIsARedirect(): void
    {
        self::assertSame(302, self::statusOf(['headers' => ['location' => '/x']]));
        self::assertSame(200, self::statusOf(['headers' => ['x-other' => '/x']]));
    }

    public function testAResponseMayBeGivenAgain(): void
    {
        $response = new Response(200, [], 'prepared');
        $this->expectOutputString('preparedprepared');
        Answer::send($response);
        Answer::send($response);
    }

    #[DataProvider('noStatuses')]
    public function testAStatusThatIsNoneIsRefused(mixed $status, string $said): void
    {
        $this->expectException(\UnexpectedValueException::class);
        $this->expectExceptionMessage("The status of a response is $said, not a number from 100 to 599.");
        Answer::send(['status' => $status]);
    }

    /** @return iterable<array{mixed, string}> */
    public static function noStatuses(): iterable
    {
        yield [99, '99'];
        yield [-1, '-1'];
        yield [1000, '1000'];
        yield ['abc', "'abc'"];
        yield [true, 'true'];
        yield [[200], 'array'];
    }

    public function testAStatusMayBeANumberInAText(): void
    {
        self::assertSame(404, self::statusOf(['status' => '404']));
        self::assertSame(410, self::statusOf((object) ['status' => 410]));
    }

    private static function statusOf(mixed $answer): int|bool
    {
        try {
            Answer::send($answer);

            return http_response_code();
        } finally {
            http_response_code(200);
        }
    }
}
