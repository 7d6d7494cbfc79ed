<?php

declare(strict_types=1);

namespace App\Repository;

use App\Entity\Note;
use Doctrine\ORM\EntityManagerInterface;

final readonly class NoteRepository
{
    public function __construct(private EntityManagerInterface $entityManager)
    {
    }

    public function add(Note $note): void
    {
        $this->entityManager->persist($note);
        $this->entityManager->flush();
    }

    /**
     * @return list<Note> the newest notes, oldest of them first
     */
    public function latest(int $limit): array
    {
        $newest = $this->entityManager->getRepository(Note::class)->findBy([], ['id' => 'DESC'], $limit);

        return array_reverse($newest);
    }
}
