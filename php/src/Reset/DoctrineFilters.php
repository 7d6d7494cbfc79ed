<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Doctrine\ORM\EntityManagerInterface;
use Doctrine\ORM\Query\Filter\SQLFilter;
use Doctrine\ORM\Query\FilterCollection;

/**
 * Remembers which filters an entity manager was made and booted with, and takes back what requests have enabled, disabled and set: a filter for
 * one tenant would choose what the next one sees. To clear a manager does not touch them.
 */
final class DoctrineFilters implements BootState
{
    private ?EntityManagerInterface $manager = null;

    /** @var array<string, array<mixed>> parameters by the name of an enabled filter */
    private array $filters = [];

    /** Whether they are those after the boot: a manager that is made again gets the same ones. */
    private bool $booted = false;

    /** @param callable-array|callable-string|null $before the configurator of DoctrineBundle or of the application */
    public function __construct(private readonly array|string|null $before = null, private readonly bool $enabled = true)
    {
    }

    public function configure(EntityManagerInterface $manager): void
    {
        if (null !== $this->before) {
            ($this->before)($manager);
        }
        $this->manager = $manager;
        if (!$this->booted) {
            $this->filters = self::of($manager->getFilters());
        }
    }

    public function remember(): void
    {
        if (null !== $this->manager && !LazyObjects::isUntouched($this->manager)) {
            $this->filters = self::of($this->manager->getFilters());
            $this->booted = true;
        }
    }

    public function reset(): void
    {
        if (!$this->enabled || null === $this->manager || LazyObjects::isUntouched($this->manager)) {
            return;
        }
        $filters = $this->manager->getFilters();
        foreach (array_keys($filters->getSuspendedFilters()) as $name) {
            $filters->restore($name);
        }
        foreach (self::of($filters) as $name => $parameters) {
            if ($parameters !== ($this->filters[$name] ?? null)) {
                Drift::putBack('doctrine_filter', $name, 'left enabled, or with other parameters, by a request');
                $filters->disable($name);
            }
        }
        foreach (array_diff_key($this->filters, $filters->getEnabledFilters()) as $name => $parameters) {
            $filter = $filters->enable($name);
            (function () use ($parameters): void {
                $this->parameters = $parameters;
            })->bindTo($filter, SQLFilter::class)();
            $filters->setFiltersStateDirty();
        }
    }

    /** @return array<string, array<mixed>> */
    private static function of(FilterCollection $filters): array
    {
        return array_map(
            static fn (SQLFilter $filter): array => (fn (): array => $this->parameters)->bindTo($filter, SQLFilter::class)(),
            $filters->getEnabledFilters(),
        );
    }
}
