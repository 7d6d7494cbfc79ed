<?php

declare(strict_types=1);

namespace App;

use Doctrine\ORM\Mapping\ClassMetadata;
use Doctrine\ORM\Query\Filter\SQLFilter;

/** Shows an owner what is his, or nobody's. */
final class OwnerFilter extends SQLFilter
{
    public function addFilterConstraint(ClassMetadata $targetEntity, string $targetTableAlias): string
    {
        return \sprintf("%s.owner IN ('nobody', %s)", $targetTableAlias, $this->getParameter('owner'));
    }
}
