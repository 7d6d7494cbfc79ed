<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace\Doctrine;

/** What may be shown of a statement. */
final readonly class Sql
{
    /** Longest statement that is looked through, in bytes; a trace keeps 4 KiB of it. */
    private const int MOST = 16384;

    /** Names in quotes. What a database may take as a text is none: SQLite, SQL Server and MySQL do that with double quotes. */
    private const array NAMES = [
        '' => '(?!)',
        'postgresql' => '"[^"\\\\]*+"',
        'oracle.db' => '"[^"\\\\]*+"',
        'ibm.db2' => '"[^"\\\\]*+"',
        'mysql' => '`[^`]*+`',
        'sqlite' => '`[^`]*+` | \[ [^]]*+ ]',
        'microsoft.sql_server' => '\[ (?: [^]] | ]] )*+ ]',
    ];

    /** Numbered parameters. To SQL Server $5 is an amount of money. */
    private const array PARAMETERS = [
        '' => '(?!)',
        'postgresql' => '\$ [0-9]{1,5}+ (?! [0-9a-z_$] )',
    ];

    /** Texts, besides those in single quotes. */
    private const array TEXTS = [
        '' => '" (?: [^"\\\\] | "" )*+ "',
        'postgresql' => '\$ (?<tag> [a-z_\x80-\xff] [a-z_0-9\x80-\xff]*+ | ) \$ .*? \$ (?-i: \k<tag> ) \$',
        'oracle.db' => '(?!)',
        'ibm.db2' => '(?!)',
    ];

    /** Comments, besides those in slashes and stars. Not everybody goes on reading behind a lone carriage return. */
    private const array COMMENTS = [
        '' => '-- [^\r\n]*+ (?= \r?+ \n | \z )',
        'mysql' => '-- (?= \s | \z ) [^\n]*+ | [#] [^\n]*+',
        'other_sql' => '-- (?= \s | \z ) [^\r\n]*+ (?= \r?+ \n | \z )',
    ];

    /** What has a meaning that is not known. */
    private const array UNSURE = [
        '' => '--',
        'mysql' => '(?!)',
        'other_sql' => '-- | [#`] | \[ [^]\'"`]*+ [\'"`]',
    ];

    /** A word right in front of a text belongs to it, as in N'...'; behind q it ends as it likes. What has a backslash may go on behind its quote. */
    private const string TOKENS = <<<'REGEX'
        ~ (?<kept> %s | [a-z_\x80-\xff] [a-z_0-9$\x80-\xff]*+ (?! ' ) | [:@$] [a-z_] [a-z_0-9]*+ (?! [$\x80-\xff] ) | %s )
        | (?<data> (?! n?+ q ' ) (?: [a-z_] [a-z_0-9]*+ )?+ ' (?: [^'\\] | '' )*+ ' | %s | [0-9] [0-9a-z_.]*+ )
        | (?<comment> %s | / [*] (?: (?! / [*] | [*] / ) . )*+ [*] / )
        | (?<cut> ['"`] [^'"`\\]*+ \z )
        | (?<unsure> ['"`\\] | / [*] | \$ [a-z_0-9\x80-\xff]*+ \$ | n?+ q ' | %s )
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
     * A statement with ? for each literal and without comments: neither is anybody's business. Where it cannot be told for sure what is a literal,
     * since that is a matter of settings, nothing but the operation is left.
     *
     * @param string $system as in {@see Database::$system}
     */
    public static function withoutData(string $sql, string $system): string
    {
        $tables = [self::NAMES, self::PARAMETERS, self::TEXTS, self::COMMENTS, self::UNSURE];
        $tokens = vsprintf(self::TOKENS, array_map(static fn (array $parts): string => $parts[$system] ?? $parts[''], $tables));
        $sure = true;
        $isCut = \strlen($sql) > self::MOST;
        $shown = preg_replace_callback($tokens, static function (array $found) use (&$sure, $isCut): string {
            if ('' !== ($found['kept'] ?? '')) {
                return $found[0];
            }
            if ('' !== ($found['data'] ?? '')) {
                return '?';
            }
            $sure = $sure && ('' !== ($found['comment'] ?? '') || ($isCut && '' !== ($found['cut'] ?? '')));

            return '';
        }, substr($sql, 0, self::MOST));

        return $sure && null !== $shown ? trim($shown) : self::operation($sql);
    }
}
