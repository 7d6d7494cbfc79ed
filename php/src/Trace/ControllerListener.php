<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Event\ControllerArgumentsEvent;
use Symfony\Component\HttpKernel\Event\KernelEvent;
use Symfony\Component\HttpKernel\Event\ExceptionEvent;

/** A span for each controller, those of sub-requests within that of the request. */
final class ControllerListener
{
    /** @var \WeakMap<Request, list<int>> spans that are open, the innermost last: a request may be handled once more within itself */
    private \WeakMap $open;

    public function __construct(private readonly Spans $spans)
    {
        $this->open = new \WeakMap();
    }

    /** After everybody else: the controller is called next. */
    public function onArguments(ControllerArgumentsEvent $event): void
    {
        // Where nothing is kept not even a name is made.
        if (!$this->spans->sampled()) {
            return;
        }
        $name = self::name($event->getController());
        $span = $this->spans->start($name, ['code.function.name' => $name]);
        if (0 !== $span) {
            $this->open[$event->getRequest()] = [...$this->open[$event->getRequest()] ?? [], $span];
        }
    }

    /** Before everybody else: it has returned. */
    public function onReturn(KernelEvent $event): void
    {
        $this->end($event);
    }

    /** The same: it has thrown, or something else has. */
    public function onException(ExceptionEvent $event): void
    {
        $this->end($event, $event->getThrowable());
    }

    private function end(KernelEvent $event, ?\Throwable $thrown = null): void
    {
        $open = $this->open[$event->getRequest()] ?? [];
        // A sub-request that catches nothing has no event when it throws: what it left ends with the main one.
        $left = $event->isMainRequest() ? 0 : max(0, \count($open) - 1);
        while (\count($open) > $left) {
            $this->spans->end(array_pop($open), $thrown);
        }
        $this->open[$event->getRequest()] = $open;
    }

    /** As its source calls it. */
    private static function name(callable $controller): string
    {
        return match (true) {
            \is_string($controller) => $controller,
            \is_array($controller) => (\is_object($controller[0]) ? get_debug_type($controller[0]) : $controller[0]).'::'.$controller[1],
            $controller instanceof \Closure => self::nameOfClosure($controller),
            default => get_debug_type($controller).'::__invoke',
        };
    }

    private static function nameOfClosure(\Closure $controller): string
    {
        $function = new \ReflectionFunction($controller);
        $class = $function->getClosureScopeClass()?->getName();
        // An anonymous class, and since 8.4 a closure, has its place in its name, behind a NUL or in braces.
        $name = str_starts_with($function->getShortName(), '{closure') ? '{closure}' : $function->getShortName();

        return null === $class ? $name : strtok($class, "\0").'::'.$name;
    }
}
