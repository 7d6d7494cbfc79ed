<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Idempotency;

/**
 * A request that is being carried out under a key. It ends with an answer that is kept, or is given up: then the next one may try.
 *
 * Whoever forgets it, by `exit` or an error, gives it up; if the worker or its process dies, the server does.
 */
final class Attempt
{
    private bool $isOpen = true;

    /** @internal made by {@see Ledger::begin()} */
    public function __construct(
        private readonly string $name,
        private readonly string $token,
        private readonly string $fingerprint,
        public readonly Idempotent $rule,
    ) {
        // Runs at the end of the request, also after exit. A destructor would wait for whoever else holds this.
        register_shutdown_function($this->abandon(...));
    }

    /** Keeps the answer. Without a room for it, that it was carried out. The first answer of a key stays, whoever else comes to one. */
    public function finish(Answer $answer): void
    {
        if (!$this->isOpen) {
            return;
        }
        $kept = null !== $answer->body && \strlen($answer->body) <= $this->rule->maxBody ? $answer : new Answer($answer->status, [], null);
        if (!$this->keep($kept) && !$this->keep(new Answer($answer->status, [], null))) {
            self::log('an answer could not be kept: a repetition of its request would be carried out again');
        }
        $this->abandon();
    }

    /** The next one may try. */
    public function abandon(): void
    {
        if ($this->isOpen) {
            $this->isOpen = false;
            try {
                supercharger_lock_release($this->name, $this->token);
            } catch (\RuntimeException $failure) {
                // The answer is right all the same.
                self::log('a key stays in use: '.$failure->getMessage());
            }
        }
    }

    private function keep(Answer $answer): bool
    {
        try {
            return supercharger_store_add($this->name, [$this->fingerprint, $answer->plain()], (float) $this->rule->ttl, keep: true)
                || supercharger_store_has($this->name);
        } catch (\RuntimeException) {
            return false;
        }
    }

    private static function log(string $message): void
    {
        if (\function_exists('supercharger_log')) {
            supercharger_log($message, 8);
        }
    }
}
