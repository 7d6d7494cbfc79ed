<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

/** Hands the checks of the application to the server. */
final readonly class Checks
{
    /** @param list<array{string, array<string, mixed>, \Closure(): object}> $checks id, attributes of the tag, and the service */
    public function __construct(private array $checks)
    {
    }

    /** To be called while the worker boots. None is made before it is run. */
    public function register(): void
    {
        foreach ($this->checks as [$id, $attributes, $check]) {
            $name = $attributes['name'] ?? null;
            $timeout = $attributes['timeout'] ?? 0.0;
            supercharger_on_check(
                static fn (): ?string => self::run($check()),
                self::short(\is_string($name) && '' !== $name ? $name : $id),
                false !== ($attributes['required'] ?? true),
                is_numeric($timeout) ? (float) $timeout : 0.0,
            );
        }
    }

    private static function run(object $check): ?string
    {
        return $check instanceof CheckInterface ? $check->check()
            : throw new \LogicException(\sprintf('%s is no %s.', $check::class, CheckInterface::class));
    }

    /** The id of a service is often the name of its class, and that may be longer than a name can be; the end of it tells most. */
    private static function short(string $id): string
    {
        return substr($id, -100);
    }
}
