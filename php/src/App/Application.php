<?php

declare(strict_types=1);

namespace Supercharger\Runtime\App;

use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\RequestHandlerInterface;
use Symfony\Component\HttpFoundation\Request as SymfonyRequest;

/**
 * What may be an application, and how it is called.
 *
 * - a PSR-15 `RequestHandlerInterface`;
 * - a callable whose parameter is a PSR-7 `ServerRequestInterface`, a HttpFoundation `Request`, or an array ({@see Context});
 * - a callable without parameters.
 *
 * What it returns is sent by {@see Answer}.
 */
final class Application
{
    /** @return \Closure(): void serves the current request */
    public static function of(mixed $application): \Closure
    {
        if ($application instanceof RequestHandlerInterface) {
            $requests = new PsrRequests();

            return static fn () => Answer::send($application->handle($requests->current()));
        }
        if (!\is_callable($application)) {
            throw new \LogicException(\sprintf('%s is no application: give a PSR-15 RequestHandlerInterface or a callable.', get_debug_type($application)));
        }
        $call = $application(...);
        $input = self::input($call);

        return static fn () => Answer::send($call(...$input()));
    }

    /** @return \Closure(): list<mixed> what it is called with */
    private static function input(\Closure $call): \Closure
    {
        $parameter = (new \ReflectionFunction($call))->getParameters()[0] ?? null;
        if (null === $parameter) {
            return static fn (): array => [];
        }
        $type = $parameter->getType();
        $name = $type instanceof \ReflectionNamedType ? $type->getName() : 'array';
        if (is_a($name, ServerRequestInterface::class, true)) {
            $requests = new PsrRequests();

            return static fn (): array => [$requests->current()];
        }
        if (is_a(SymfonyRequest::class, $name, true)) {
            return static fn (): array => [SymfonyRequest::createFromGlobals()];
        }
        if (\in_array($name, ['array', 'iterable', 'mixed'], true)) {
            return static fn (): array => [Context::current()];
        }

        throw new \LogicException(\sprintf('Nobody knows what to give for %s $%s: take a Psr\Http\Message\ServerRequestInterface, a Symfony\Component\HttpFoundation\Request or an array.', $name, $parameter->getName()));
    }
}
