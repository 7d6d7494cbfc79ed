<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\HttpFoundation\Response;

final class Recycle
{
    public function __invoke(): Response
    {
        supercharger_recycle('next leak');

        return new Response('');
    }
}
