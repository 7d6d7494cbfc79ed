<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace\Doctrine;

/** What may be shown of a statement. */
final readonly class Sql
{
    /** Longest statement that is looked through, in bytes; a trace keeps 4 KiB of it. */
    private const int MOST = 16384;

    /** Names in quotes. */
    private const array NAMES = [
        '' => '"[^"\\\\]*+"',
        'mysql' => '`[^`]*+`',
        'microsoft.sql_server' => '"[^"\\\\]*+" | \[[^]]*+]',
    ];

    /** Texts, besides those in single quotes. */
    private const array TEXTS = [
        '' => '\$ (?<tag> [a-z_] [a-z_0-9]*+ | ) \$ .*? \$ \k<tag> \$',
        'mysql' => '" (?: [^"\\\\] | "" )*+ "',
    ];

    /** Comments, besides those in slashes and stars. */
    private const array COMMENTS = [
        '' => '-- [^\n]*+',
        'mysql' => '-- (?= \s | \z ) [^\n]*+ | [#] [^\n]*+',
    ];

    /** A word right in front of a text belongs to it, as in N'...'. What has a backslash may go on behind its quote. */
    private const string TOKENS = <<<'REGEX'
        ~ (?<kept> %s | [a-z_\x80-\xff] [a-z_0-9$\x80-\xff]*+ (?! ' ) | [:@$] [a-z_0-9]++ (?! \$ ) )
        | (?<data> (?: [a-z_] [a-z_0-9]*+ )?+ ' (?: [^'\\] | '' )*+ ' | %s | 0x [0-9a-f]++ | [0-9]++ (?: \. [0-9]*+ )?+ (?: e [+-]?+ [0-9]++ )?+ )
        | (?<comment> %s | / [*] (?: (?! / [*] | [*] / ) . )*+ [*] / )
        | (?<unsure> ['"`\\] | / [*] | \$ [a-z_0-9]*+ \$ )
        ~xis
        REGEX;

    /** The first word, which says what is done. */
    public static function operation(string $sql): string
    {
        $word = substr($sql, strspn($sql, " \t\r\n("), 32);
        $word = substr($word, 0, strspn($word, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'));

        return '' === $word ? 'SQL' : strtoupper($word);
    }

    /**
     * A statement with ? for each literal and without comments: neither is anybody's business. Where it cannot be told for sure where a literal
     * ends, since that is a matter of settings, the rest is left out.
     *
     * @param string $system as in {@see Database::$system}
     */
    public static function withoutData(string $sql, string $system): string
    {
        $tokens = \sprintf(self::TOKENS, self::NAMES[$system] ?? self::NAMES[''], self::TEXTS[$system] ?? self::TEXTS[''], self::COMMENTS[$system] ?? self::COMMENTS['']);
        $shown = preg_replace_callback($tokens, static fn (array $found): string => match (true) {
            '' !== ($found['kept'] ?? '') => $found[0],
            '' !== ($found['data'] ?? '') => '?',
            '' !== ($found['comment'] ?? '') => '',
            default => "\0",
        }, substr($sql, 0, self::MOST));
        if (null === $shown) {
            return self::operation($sql);
        }

        return trim((string) strstr($shown."\0", "\0", true));
    }
}
