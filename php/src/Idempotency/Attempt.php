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

    /** Keeps the answer. Without a room for it, that it was carried out. */
    public function finish(Answer $answer): void
    {
        if (!$this->isOpen) {
            return;
        }
        $kept = null !== $answer->body && \strlen($answer->body) <= $this->rule->maxBody ? $answer : new Answer($answer->status, [], null);
        if (!$this->keep($kept) && !$this->keep(new Answer($answer->status, [], null)) && \function_exists('supercharger_log')) {
            supercharger_log('an answer could not be kept: a repetition of its request would be carried out again', 8);
        }
        $this->abandon();
    }

    /** The next one may try. */
    public function abandon(): void
    {
        if ($this->isOpen) {
            $this->isOpen = false;
            supercharger_lock_release($this->name, $this->token);
        }
    }

    private function keep(Answer $answer): bool
    {
        return supercharger_store_set($this->name, [$this->fingerprint, $answer->plain()], (float) $this->rule->ttl, keep: true);
    }
}
