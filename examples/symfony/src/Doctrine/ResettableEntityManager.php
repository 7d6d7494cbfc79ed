<?php

declare(strict_types=1);

namespace App\Doctrine;

use Doctrine\DBAL\Connection;
use Doctrine\ORM\Decorator\EntityManagerDecorator;
use Symfony\Contracts\Service\ResetInterface;

/**
 * An entity manager that starts every request empty, while its connection stays open.
 *
 * Without this, a process that serves many requests would hand out entities as an earlier request saw them, and one
 * failed flush, which closes an entity manager, would break all requests after it.
 */
final class ResettableEntityManager extends EntityManagerDecorator implements ResetInterface
{
    public function __construct(
        private readonly Connection $connection,
        private readonly EntityManagerFactory $factory,
    ) {
        parent::__construct($factory->create($connection));
    }

    public function reset(): void
    {
        while ($this->connection->isTransactionActive()) {
            $this->connection->rollBack();
        }

        if ($this->wrapped->isOpen()) {
            $this->wrapped->clear();
        } else {
            $this->wrapped = $this->factory->create($this->connection);
        }
    }
}
