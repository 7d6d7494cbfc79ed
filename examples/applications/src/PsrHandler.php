<?php

declare(strict_types=1);

namespace App;

use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\RequestHandlerInterface;

/** The pages as a PSR-15 handler: what Slim, Mezzio and others are behind their middleware. */
final readonly class PsrHandler implements RequestHandlerInterface
{
    public function __construct(private PsrPages $pages = new PsrPages())
    {
    }

    public function handle(ServerRequestInterface $request): ResponseInterface
    {
        return $this->pages->answer($request);
    }
}
