<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

use Symfony\Component\Messenger\Transport\Receiver\MessageCountAwareInterface;
use Symfony\Component\Messenger\Transport\Receiver\ReceiverInterface;

/** Asks a transport how many messages wait. Of one that cannot say nothing is known: a message would have to be taken. */
final readonly class MessengerCheck implements CheckInterface
{
    public function __construct(private ReceiverInterface $receiver)
    {
    }

    public function check(): ?string
    {
        return $this->receiver instanceof MessageCountAwareInterface
            ? $this->receiver->getMessageCount().' messages wait'
            : 'this transport does not say whether it is there';
    }
}
