<?php

declare(strict_types=1);

namespace App\Controller\Api;

use App\Entity\Note;
use App\Form\NoteInput;
use App\Repository\NoteRepository;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Component\Validator\Validator\ValidatorInterface;

#[Route('/api/notes')]
final readonly class NoteController
{
    private const int SHOWN = 200;

    public function __construct(private NoteRepository $notes, private ValidatorInterface $validator)
    {
    }

    #[Route('', name: 'api_notes', methods: ['GET'])]
    public function list(): JsonResponse
    {
        return new JsonResponse(['notes' => array_map(self::toArray(...), $this->notes->latest(self::SHOWN))]);
    }

    #[Route('', name: 'api_notes_add', methods: ['POST'])]
    public function add(Request $request): JsonResponse
    {
        $body = json_decode($request->getContent(), true);
        if (!\is_array($body)) {
            return self::error('The body is not a JSON object.', Response::HTTP_BAD_REQUEST);
        }
        $text = $body['text'] ?? null;
        if (!\is_string($text)) {
            return self::error('A note needs "text", a string.', Response::HTTP_UNPROCESSABLE_ENTITY);
        }
        foreach ($this->validator->validate(new NoteInput($text)) as $violation) {
            return self::error((string) $violation->getMessage(), Response::HTTP_UNPROCESSABLE_ENTITY);
        }

        $note = new Note($text);
        $this->notes->add($note);

        return new JsonResponse(self::toArray($note), Response::HTTP_CREATED);
    }

    /** @return array{id: int, text: string} */
    private static function toArray(Note $note): array
    {
        return ['id' => $note->id(), 'text' => $note->text()];
    }

    private static function error(string $message, int $status): JsonResponse
    {
        return new JsonResponse(['error' => $message], $status);
    }
}
