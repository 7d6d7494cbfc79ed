<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Monolog;

use Monolog\LogRecord;
use Monolog\Processor\ProcessorInterface;
use Symfony\Component\HttpFoundation\RequestStack;

/** Says in each record which request it belongs to and which worker has written it, in the words of the server's own log. */
final class WorkerProcessor implements ProcessorInterface
{
    /** @var array{pool: string, slot: int, incarnation: int}|array{}|null what stays as long as the worker; empty elsewhere */
    private ?array $worker = null;

    /**
     * @param (\Closure(): array{pool: string, slot: int, incarnation: int, request_id: string, mode: string, ...})|null $server the server's word, if it is ours
     */
    public function __construct(private readonly ?RequestStack $requests = null, private readonly ?\Closure $server = null)
    {
    }

    public static function withServer(?RequestStack $requests = null): self
    {
        return new self($requests, \function_exists('supercharger_worker') ? supercharger_worker(...) : null);
    }

    public function __invoke(LogRecord $record): LogRecord
    {
        if (null === $this->server) {
            return $record;
        }
        $state = ($this->server)();
        $this->worker ??= \in_array($state['mode'], ['worker', 'classic'], true)
            ? ['pool' => $state['pool'], 'slot' => $state['slot'], 'incarnation' => $state['incarnation']] : [];
        if ([] === $this->worker) {
            return $record;
        }
        $record->extra += $this->worker;
        if ('' !== $state['request_id']) {
            $record->extra['request_id'] = $state['request_id'];
        }
        $route = $this->requests?->getMainRequest()?->attributes->get('_route');
        if (\is_string($route)) {
            $record->extra['route'] = $route;
        }

        return $record;
    }
}
