<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace;

use Symfony\Component\HttpKernel\Event\RequestEvent;

/** Tells the server which route a request has taken: for metrics, logs and traces, by its template and never by its path. */
final readonly class RouteListener
{
    /** @param \Closure(string): mixed $tell */
    public function __construct(private RouteTemplates $templates, private \Closure $tell)
    {
    }

    /** After the router. */
    public function onRequest(RequestEvent $event): void
    {
        $route = $event->getRequest()->attributes->get('_route');
        if ($event->isMainRequest() && \is_string($route) && null !== $template = $this->templates->of($route)) {
            ($this->tell)($template);
        }
    }

    /** For the container, which cannot hold a closure. */
    public static function withServer(RouteTemplates $templates): self
    {
        return new self($templates, \function_exists('supercharger_route') ? supercharger_route(...) : static fn (string $template) => null);
    }
}
