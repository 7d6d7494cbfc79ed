<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Warmup;

use Doctrine\Persistence\ManagerRegistry;

/** Loads the metadata of all entities. It asks neither a database nor the unit of work for anything. */
final readonly class DoctrineWarmer implements WarmerInterface
{
    public function __construct(private ManagerRegistry $registry)
    {
    }

    public function warm(): void
    {
        foreach ($this->registry->getManagers() as $manager) {
            $manager->getMetadataFactory()->getAllMetadata();
        }
    }
}
