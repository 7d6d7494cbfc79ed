<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Idempotency;

/** An answer as it is kept: for a repetition of its request, and nobody else. */
final readonly class Answer
{
    /** Fields that belong to one transfer, or to a browser and not to an answer. */
    private const array NOT_KEPT = ['connection', 'date', 'keep-alive', 'set-cookie', 'transfer-encoding', 'x-request-id'];

    /** Answers that say "not you" or "later", and that nothing has been done: a repetition may have another one. */
    private const array LATER = [401, 403, 407, 408, 425, 429];

    /**
     * @param array<string, list<string>> $headers
     * @param string|null                 $body    null: it was too large or not known beforehand
     */
    public function __construct(public int $status, public array $headers, public ?string $body)
    {
    }

    /** Whether an answer of this status is that of the request for ever: no error of the server, and nothing that passes. */
    public static function isFinal(int $status): bool
    {
        return $status < 500 && !\in_array($status, self::LATER, true);
    }

    /**
     * @param array<array-key, list<string|null>> $headers
     *
     * @return array<string, list<string>>
     */
    public static function kept(array $headers): array
    {
        $kept = [];
        foreach ($headers as $name => $values) {
            if (!\in_array(strtolower((string) $name), self::NOT_KEPT, true)) {
                $kept[(string) $name] = array_map(strval(...), $values);
            }
        }

        return $kept;
    }

    /** @return array{int, array<string, list<string>>, string|null} for the store, which knows no classes */
    public function plain(): array
    {
        return [$this->status, $this->headers, $this->body];
    }
}
