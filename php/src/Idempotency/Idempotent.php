<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Idempotency;

/**
 * Marks what is carried out once for each key that clients send: on a controller, or as the route default `_idempotent`.
 *
 * Only POST, PATCH, PUT and DELETE are concerned; the others change nothing anyway.
 */
#[\Attribute(\Attribute::TARGET_CLASS | \Attribute::TARGET_METHOD | \Attribute::TARGET_FUNCTION)]
final readonly class Idempotent
{
    /** Methods that are not safe. */
    public const array METHODS = ['POST', 'PATCH', 'PUT', 'DELETE'];
    public const string BY_USER = 'user';
    public const string BY_HEADER = 'header:';

    /**
     * @param int    $ttl      seconds for which an answer is kept and replayed
     * @param bool   $required whether a request without a key is refused
     * @param string $scope    whose keys they are: `user` (the user's identifier, else the field Authorization), or `header:NAME`
     * @param int    $maxBody  bytes of an answer beyond which it is not kept; a repetition is then told that it has been carried out
     * @param string $header   the field that carries the key
     */
    public function __construct(
        public int $ttl = 86_400,
        public bool $required = false,
        public string $scope = self::BY_USER,
        public int $maxBody = 1_048_576,
        public string $header = 'Idempotency-Key',
    ) {
        if ($ttl < 1 || $maxBody < 0 || '' === $header) {
            throw new \InvalidArgumentException('#[Idempotent]: "ttl" is at least one second, "maxBody" not negative, "header" not empty.');
        }
        if (self::BY_USER !== $scope && (!str_starts_with($scope, self::BY_HEADER) || self::BY_HEADER === $scope)) {
            throw new \InvalidArgumentException(\sprintf('#[Idempotent]: "scope" is "%s"; allowed: "user" or "header:NAME".', $scope));
        }
    }

    /** Of a route's default: true, or an array of these settings. */
    public static function of(mixed $setting): ?self
    {
        if (!\is_array($setting)) {
            return true === $setting ? new self() : null;
        }
        $one = new self();
        $known = get_object_vars($one);
        foreach ($setting as $name => $value) {
            if (!\array_key_exists($name, $known) || get_debug_type($value) !== get_debug_type($known[$name])) {
                throw new \InvalidArgumentException(\sprintf('The route default "_idempotent" has a setting "%s" that is none; there are "%s".', $name, implode('", "', array_keys($known))));
            }
        }
        /** @var array{ttl?: int, required?: bool, scope?: string, maxBody?: int, header?: string} $setting */

        return new self(...$setting);
    }
}
