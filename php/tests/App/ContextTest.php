<?php

declare(strict_types=1);

namespace Supercharger\Runtime\App {
    /** Outside of a request PHP has none. @return array<string, string> */
    function getallheaders(): array
    {
        return ['X-Mark' => 'one'];
    }
}

namespace Supercharger\Runtime\Tests\App {

use PHPUnit\Framework\Attributes\BackupGlobals;
use PHPUnit\Framework\TestCase;
use Supercharger\Runtime\App\Context;

#[BackupGlobals(true)]
final class ContextTest extends TestCase
{
    public function testARequestInTheWordsOfBothContracts(): void
    {
        if (!\function_exists('supercharger_worker')) {
            self::markTestSkipped('this PHP is not the one of the server');
        }
        $_SERVER = ['REQUEST_METHOD' => 'PUT', 'REQUEST_URI' => '/orders/1?a=b', 'HTTP_HOST' => 'shop.example', 'HTTPS' => 'on', 'REMOTE_ADDR' => '192.0.2.1', 'SERVER_SOFTWARE' => ['no text']] + $_SERVER;
        $_GET = ['a' => 'b'];
        $seen = Context::current();
        self::assertSame(['PUT', '/orders/1?a=b', '/orders/1', ['a' => 'b']], [$seen['method'], $seen['uri'], $seen['path'], $seen['query']]);
        self::assertSame(['shop.example', 'https', '192.0.2.1', ''], [$seen['host'], $seen['scheme'], $seen['remote_addr'], $seen['runtime_version']]);
        self::assertSame(['supercharger', '', ['a' => 'b']], [$seen['engine'], $seen['body'], $seen['get']]);
        self::assertSame(['x-mark' => 'one'], $seen['headers']);
        $_SERVER['HTTPS'] = 'off';
        self::assertSame('http', Context::current()['scheme']);
    }
}
}
