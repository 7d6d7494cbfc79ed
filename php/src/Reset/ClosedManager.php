<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Reset;

use Doctrine\ORM\Decorator\EntityManagerDecorator;
use Doctrine\ORM\EntityManager;
use Doctrine\ORM\EntityManagerInterface;

/**
 * A failed flush closes an entity manager for good, and every service that holds it would be broken until the worker ends.
 *
 * Where the service is lazy Doctrine's registry makes a new one in its place. Where it is not, this has the old one built again, around the
 * same connection. To open it alone would not do: what was to be inserted when the flush failed still waits in its persisters.
 */
final class ClosedManager
{
    public static function open(EntityManagerInterface $manager): void
    {
        $inner = $manager;
        while ($inner instanceof EntityManagerDecorator) {
            $inner = self::wrapped($inner);
        }
        if ($inner instanceof EntityManager && property_exists(EntityManager::class, 'closed')) {
            (function (): void {
                EntityManager::__construct($this->getConnection(), $this->getConfiguration(), $this->getEventManager());
                $this->closed = false;
            })->bindTo($inner, EntityManager::class)();
        }
        if (!$manager->isOpen()) {
            throw new \LogicException(\sprintf('The closed entity manager of class "%s" cannot be opened again. Declare its service as lazy.', $manager::class));
        }
    }

    private static function wrapped(EntityManagerDecorator $decorator): EntityManagerInterface
    {
        return (fn (): EntityManagerInterface => $this->wrapped)->bindTo($decorator, EntityManagerDecorator::class)();
    }
}
