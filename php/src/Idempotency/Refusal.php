<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Idempotency;

/** Why a request is not carried out. */
enum Refusal: string
{
    case Missing = 'idempotency_key_missing';
    case Invalid = 'idempotency_key_invalid';
    case InFlight = 'idempotency_in_flight';
    case OtherRequest = 'idempotency_key_reused';
    case NotKept = 'idempotency_answer_not_kept';

    /** Seconds after which a repetition of what is in flight may have its answer. */
    private const string RETRY_AFTER = '1';

    public function status(): int
    {
        return match ($this) {
            self::Missing, self::Invalid => 400,
            self::InFlight, self::NotKept => 409,
            self::OtherRequest => 422,
        };
    }

    public function message(string $header): string
    {
        return match ($this) {
            self::Missing => "This request needs a key in the field $header.",
            self::Invalid => \sprintf('The key in the field %s must have 1 to %d visible characters of ASCII.', $header, Ledger::LONGEST_KEY),
            self::InFlight => 'A request with this key is being carried out.',
            self::OtherRequest => 'This key has been used for another request.',
            self::NotKept => 'A request with this key has been carried out; its answer was not kept.',
        };
    }

    /** @return array<string, string> */
    public function headers(): array
    {
        $headers = ['Content-Type' => 'application/json', 'Cache-Control' => 'no-store'];

        return self::InFlight === $this ? $headers + ['Retry-After' => self::RETRY_AFTER] : $headers;
    }

    public function body(string $header): string
    {
        return json_encode(['error' => ['code' => $this->value, 'message' => $this->message($header)]], \JSON_THROW_ON_ERROR);
    }
}
