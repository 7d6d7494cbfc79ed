<?php

// A service with a property that keeps the user.

declare(strict_types=1);

namespace Leaks\ServiceProperty;

final class Mailer
{
    private ?string $recipient = null;

    public function send(string $user): mixed
    {
        $before = $this->recipient;
        $this->recipient = $user;

        return $before;
    }
}

$mailer = new Mailer();

return $mailer->send(...);
