<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle;

/**
 * What is wrong with the settings as they are now. The container refuses what is wrong in a file; this sees what variables bring.
 *
 * @phpstan-type Issue array{code: string, message: string, meta: array<string, mixed>}
 */
final readonly class Validation
{
    private const array MODES = ['allowlist_or_token', 'allowlist_only', 'require_token'];

    /** Code of an issue, by the variable that is to blame. */
    private const array CODES = [
        'RUNTIME_WORKER_MAX_REQUEST' => 'maxRequest',
        'RUNTIME_WORKER_MAX_MEMORY_MB' => 'maxMemoryMb',
        'RUNTIME_WORKER_MAX_UPTIME_SECOND' => 'maxUptimeSec',
        'RUNTIME_WORKER_DRAIN_SECOND' => 'drainSec',
    ];

    private const array FLAGS = ['1', 'true', 'yes', 'on', '0', 'false', 'no', 'off'];

    /**
     * @param array<string, mixed>  $settings    of the bundle
     * @param array<string, string> $environment of the process
     *
     * @return array{ok: bool, issue: list<Issue>}
     */
    public static function of(array $settings, array $environment): array
    {
        $issues = [...self::variables($environment), ...self::security($settings['endpoint']['security'] ?? [])];

        return ['ok' => [] === $issues, 'issue' => $issues];
    }

    /**
     * What cannot be read counts as the default, which nobody would notice.
     *
     * @param array<string, string> $environment
     *
     * @return list<Issue>
     */
    private static function variables(array $environment): array
    {
        $issues = [];
        foreach (Variables::DEFAULTS as $name => $default) {
            $text = trim($environment[$name] ?? '');
            if ('' === $text) {
                continue;
            }
            if (\is_int($default) && !(ctype_digit($text) && \strlen($text) < 19)) {
                $issues[] = self::issue(self::CODES[$name], \sprintf('%s is "%s", which is no number from 0 on: %d counts.', $name, $text, $default), ['variable' => $name]);
            }
            if (\is_bool($default) && !\in_array(strtolower($text), self::FLAGS, true)) {
                $issues[] = self::issue('flag', \sprintf('%s is "%s", which is neither yes nor no: yes counts.', $name, $text), ['variable' => $name]);
            }
        }

        return $issues;
    }

    /**
     * @param array<string, mixed> $security
     *
     * @return list<Issue>
     */
    private static function security(array $security): array
    {
        $issues = [];
        if (!($security['enabled'] ?? true)) {
            return [];
        }
        $mode = $security['mode'] ?? self::MODES[0];
        if (!\in_array($mode, self::MODES, true)) {
            $issues[] = self::issue('security.mode', \sprintf('endpoint.security.mode is %s; allowed: %s.', self::quoted($mode), implode(', ', self::MODES)), ['mode' => $mode]);
        }
        if ('require_token' === $mode && '' === (string) ($security['token'] ?? '')) {
            $issues[] = self::issue('security.token', 'endpoint.security.mode is require_token, and there is no token: nobody is let in.', []);
        }
        foreach ((array) ($security['allow_cidr'] ?? []) as $range) {
            if (!self::isRange($range)) {
                $issues[] = self::issue('security.allowCidr', \sprintf('%s in endpoint.security.allow_cidr is no address and no range.', self::quoted($range)), ['range' => $range]);
            }
        }
        if (1 !== preg_match('/^[A-Za-z0-9!#$%&\'*+.^_`|~-]+$/D', (string) ($security['header'] ?? 'X'))) {
            $issues[] = self::issue('security.header', 'endpoint.security.header is no name of a header.', []);
        }

        return $issues;
    }

    private static function quoted(mixed $value): string
    {
        return json_encode($value, \JSON_UNESCAPED_SLASHES | \JSON_INVALID_UTF8_SUBSTITUTE | \JSON_PARTIAL_OUTPUT_ON_ERROR) ?: get_debug_type($value);
    }

    /** An address with or without the length of a prefix; `10.0.0.0/` and `10.0.0.0/abc` are neither. */
    private static function isRange(mixed $range): bool
    {
        if (!\is_string($range)) {
            return false;
        }
        [$address, $length] = [...explode('/', $range, 2), null];
        $bytes = @inet_pton($address);

        return false !== $bytes && (null === $length || (ctype_digit($length) && (int) $length <= 8 * \strlen($bytes)));
    }

    /**
     * @param array<string, mixed> $meta
     *
     * @return Issue
     */
    private static function issue(string $code, string $message, array $meta): array
    {
        return ['code' => $code, 'message' => $message, 'meta' => $meta];
    }
}
