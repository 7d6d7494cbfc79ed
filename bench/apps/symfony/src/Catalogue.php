<?php

declare(strict_types=1);

namespace Bench\Symfony;

/** A service that makes up what a database would hold: what is measured is the way to it. */
final readonly class Catalogue
{
    private const int PAGE = 20;

    /** @return list<Article> */
    public function page(int $page): array
    {
        $articles = [];
        for ($number = $page * self::PAGE + 1; $number <= ($page + 1) * self::PAGE; ++$number) {
            $articles[] = new Article($number, \sprintf('Article %d', $number), round($number * 1.25, 2));
        }

        return $articles;
    }
}
