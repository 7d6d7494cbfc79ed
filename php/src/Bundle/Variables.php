<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle;

/**
 * The environment variables that stand in for settings which the application has not written.
 *
 * They are read while the application runs, not while its container is compiled: one image serves several environments. What
 * a variable that is unset, empty or without meaning stands for is the default of its setting.
 */
final class Variables
{
    /** Path of the setting => variable; the prefix of {@see VariableProcessor} follows from the default's type. */
    public const array OF_SETTINGS = [
        'telemetry.dir' => 'RUNTIME_TELEMETRY_DIR',
        'endpoint.security.enabled' => 'RUNTIME_ENDPOINT_SECURITY_ENABLED',
        'endpoint.security.mode' => 'RUNTIME_ENDPOINT_SECURITY_MODE',
        'endpoint.security.allow_cidr' => 'RUNTIME_ENDPOINT_ALLOW_CIDR',
        'endpoint.security.token' => 'RUNTIME_ENDPOINT_TOKEN',
        'endpoint.security.header' => 'RUNTIME_ENDPOINT_TOKEN_HEADER',
        'endpoint.security.proxy_strict' => 'RUNTIME_ENDPOINT_PROXY_STRICT',
        'worker.lifecycle.enabled' => 'RUNTIME_WORKER_LIFECYCLE_ENABLED',
        'worker.lifecycle.max_request' => 'RUNTIME_WORKER_MAX_REQUEST',
        'worker.lifecycle.max_memory_mb' => 'RUNTIME_WORKER_MAX_MEMORY_MB',
        'worker.lifecycle.max_uptime_second' => 'RUNTIME_WORKER_MAX_UPTIME_SECOND',
        'worker.lifecycle.drain_second' => 'RUNTIME_WORKER_DRAIN_SECOND',
        'worker.reset.enabled' => 'RUNTIME_WORKER_RESET_ENABLED',
        'worker.reset.kernel' => 'RUNTIME_WORKER_RESET_KERNEL',
        'worker.reset.doctrine' => 'RUNTIME_WORKER_RESET_DOCTRINE',
    ];

    /** Defaults, as `config/definition/bundle.php` has them too; a test compares. */
    public const array DEFAULTS = [
        'RUNTIME_TELEMETRY_DIR' => 'var/runtime/telemetry',
        'RUNTIME_ENDPOINT_SECURITY_ENABLED' => true,
        'RUNTIME_ENDPOINT_SECURITY_MODE' => 'allowlist_or_token',
        'RUNTIME_ENDPOINT_ALLOW_CIDR' => ['127.0.0.1/8', '::1/128'],
        'RUNTIME_ENDPOINT_TOKEN' => null,
        'RUNTIME_ENDPOINT_TOKEN_HEADER' => 'X-Runtime-Token',
        'RUNTIME_ENDPOINT_PROXY_STRICT' => true,
        'RUNTIME_WORKER_LIFECYCLE_ENABLED' => true,
        'RUNTIME_WORKER_MAX_REQUEST' => 1000,
        'RUNTIME_WORKER_MAX_MEMORY_MB' => 512,
        'RUNTIME_WORKER_MAX_UPTIME_SECOND' => 3600,
        'RUNTIME_WORKER_DRAIN_SECOND' => 10,
        'RUNTIME_WORKER_RESET_ENABLED' => true,
        'RUNTIME_WORKER_RESET_KERNEL' => true,
        'RUNTIME_WORKER_RESET_DOCTRINE' => true,
    ];

    /**
     * Puts a variable in the place of each setting that nobody has written.
     *
     * @param array<string, mixed> $config  checked, with defaults
     * @param list<array<mixed>>   $written as it was written, one array for each file
     *
     * @return array<string, mixed>
     */
    public static function lay(array $config, array $written): array
    {
        foreach (self::OF_SETTINGS as $setting => $variable) {
            $path = explode('.', $setting);
            foreach ($written as $one) {
                if (self::has($one, $path)) {
                    continue 2;
                }
            }
            $place = &$config;
            foreach ($path as $key) {
                $place[$key] ??= null;
                $place = &$place[$key];
            }
            $place = self::placeholder($variable);
            unset($place);
        }

        return $config;
    }

    /**
     * Which of these settings have been written.
     *
     * @param list<array<mixed>> $written  one array for each file
     * @param list<string>       $settings
     *
     * @return list<string>
     */
    public static function written(array $written, array $settings): array
    {
        return array_values(array_filter($settings, static fn (string $setting) => array_any($written, static fn (array $one) => self::has($one, explode('.', $setting)))));
    }

    /** The prefix says what comes out, so that a container can check what it is given to. */
    private static function placeholder(string $variable): string
    {
        return \sprintf('%%env(%s:%s)%%', match (true) {
            \is_bool(self::DEFAULTS[$variable]) => 'supercharger_flag',
            \is_int(self::DEFAULTS[$variable]) => 'supercharger_number',
            \is_array(self::DEFAULTS[$variable]) => 'supercharger_list',
            default => 'supercharger_text',
        }, $variable);
    }

    /**
     * @param array<mixed> $written
     * @param list<string> $path
     */
    private static function has(array $written, array $path): bool
    {
        foreach ($path as $key) {
            $dashed = strtr($key, '_', '-');
            $found = \array_key_exists($key, $written) ? $key : $dashed;
            if (!\array_key_exists($found, $written)) {
                return false;
            }
            $written = $written[$found];
            if (!\is_array($written)) {
                // A whole section in short, such as `lifecycle: false`.
                return true;
            }
        }

        return true;
    }
}
