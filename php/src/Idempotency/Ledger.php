<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Idempotency;

/**
 * Which keys have been used, in the store of the server: one for all its workers, kept over their replacement and a reload.
 *
 * That a request is in flight is a lock, bound to the worker. So two never run under one key, and one that dies makes way.
 */
final class Ledger
{
    /** Longest key, in bytes. */
    public const int LONGEST_KEY = 255;
    /** Marks an answer that was given before. */
    public const string REPLAYED = 'Idempotent-Replayed';

    private const string PREFIX = 'idempotency:';
    /** Seconds for which a request is in flight at most: longer than any runs. It ends with its request or worker anyway. */
    private const float IN_FLIGHT = 604_800.0;

    /**
     * @param string $key         what the client sent; empty: nothing
     * @param string $scope       whose key it is and for what: principal and route
     * @param string $fingerprint of the request
     *
     * @return Attempt|Answer|Refusal|null the attempt to carry it out, or what to answer instead; null: there is no key and none is needed
     */
    public function begin(Idempotent $rule, string $key, string $scope, string $fingerprint): Attempt|Answer|Refusal|null
    {
        if ('' === $key) {
            return $rule->required ? Refusal::Missing : null;
        }
        if (!preg_match('/^[\x21-\x7e]{1,'.self::LONGEST_KEY.'}$/D', $key)) {
            return Refusal::Invalid;
        }
        $name = self::PREFIX.hash('sha256', $scope."\0".$key);
        if (null !== $before = self::before($name, $fingerprint)) {
            return $before;
        }
        $token = base64_encode(random_bytes(24));
        if (!supercharger_lock_acquire($name, $token, self::IN_FLIGHT, 0.0, false, bound: true)) {
            return Refusal::InFlight;
        }
        // It may have been carried out between the look and the lock.
        if (null !== $before = self::before($name, $fingerprint)) {
            supercharger_lock_release($name, $token);

            return $before;
        }

        return new Attempt($name, $token, $fingerprint, $rule);
    }

    private static function before(string $name, string $fingerprint): Answer|Refusal|null
    {
        $kept = supercharger_store_get($name);
        if (!\is_array($kept) || !\is_string($kept[0] ?? null) || !\is_array($kept[1] ?? null)) {
            return null;
        }
        if (!hash_equals($kept[0], $fingerprint)) {
            return Refusal::OtherRequest;
        }
        /** @var array{int, array<string, list<string>>, string|null} $plain */
        $plain = $kept[1];

        return null === $plain[2] ? Refusal::NotKept : new Answer(...$plain);
    }
}
