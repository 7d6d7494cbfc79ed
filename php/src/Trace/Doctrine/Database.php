<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace\Doctrine;

/** Which database a connection is of, in the words of OpenTelemetry's conventions for databases. */
final readonly class Database
{
    /** What stands in the name of a driver => its name there. */
    private const array SYSTEMS = [
        'sqlite' => 'sqlite',
        'mysql' => 'mysql',
        'pgsql' => 'postgresql',
        'postgre' => 'postgresql',
        'sqlsrv' => 'microsoft.sql_server',
        'oci' => 'oracle.db',
        'db2' => 'ibm.db2',
    ];

    /** @param array<string, string|int> $attributes of each of its spans */
    private function __construct(public string $system, public string $name, public array $attributes)
    {
    }

    /** @param array<string, mixed> $params of the connection */
    public static function of(#[\SensitiveParameter] array $params): self
    {
        $text = static fn (string $key): string => \is_scalar($params[$key] ?? null) ? (string) $params[$key] : '';
        $driver = strtolower($text('driver').' '.$text('driverClass'));
        $system = 'other_sql';
        foreach (self::SYSTEMS as $part => $known) {
            if (str_contains($driver, $part)) {
                $system = $known;
                break;
            }
        }
        $name = $text('dbname');
        $attributes = ['db.system.name' => $system];
        if ('' !== $name) {
            $attributes['db.namespace'] = $name;
        }
        if ('' !== $text('host')) {
            $attributes['server.address'] = $text('host');
            if ('' !== $text('port')) {
                $attributes['server.port'] = (int) $text('port');
            }
        }

        return new self($system, $name, $attributes);
    }
}
