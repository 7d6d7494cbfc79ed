<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Bundle;

use Symfony\Component\DependencyInjection\EnvVarProcessorInterface;
use Symfony\Component\DependencyInjection\Exception\EnvNotFoundException;

/**
 * Reads a variable of {@see Variables}. What is unset, empty or cannot be read is the default: an operator's slip of the pen
 * must not keep an application from booting.
 */
final class VariableProcessor implements EnvVarProcessorInterface
{
    public function getEnv(string $prefix, string $name, \Closure $getEnv): mixed
    {
        try {
            $value = $getEnv($name);
        } catch (EnvNotFoundException) {
            $value = null;
        }
        $text = \is_scalar($value) ? trim((string) $value) : '';
        $default = Variables::DEFAULTS[$name] ?? null;
        if ('' === $text) {
            return $default;
        }

        return match ($prefix) {
            'supercharger_flag' => self::flag($text),
            'supercharger_number' => ctype_digit($text) && \strlen($text) < 19 ? (int) $text : $default,
            'supercharger_list' => self::items($text, $default),
            default => $text,
        };
    }

    /** Whatever is no clear word for "no" is a yes: these flags switch protection on. */
    private static function flag(string $text): bool
    {
        return !\in_array(strtolower($text), ['0', 'false', 'no', 'off'], true);
    }

    private static function items(string $text, mixed $default): mixed
    {
        $items = array_values(array_filter(array_map(trim(...), explode(',', $text)), static fn (string $item) => '' !== $item));

        return $items ?: $default;
    }

    /** @return array<string, string> */
    public static function getProvidedTypes(): array
    {
        return [
            'supercharger_flag' => 'bool',
            'supercharger_number' => 'int',
            'supercharger_list' => 'array',
            'supercharger_text' => 'string',
        ];
    }
}
