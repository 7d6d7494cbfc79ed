<?php

declare(strict_types=1);

namespace App\Controller;

use App\Entity\Note;
use App\Form\NoteInput;
use App\Form\NoteType;
use App\Repository\NoteRepository;
use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\Form\FormFactoryInterface;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

final class NoteController extends AbstractController
{
    private const int SHOWN = 20;

    #[Route('/notes', name: 'notes', methods: ['GET', 'POST'])]
    public function __invoke(Request $request, FormFactoryInterface $forms, NoteRepository $notes): Response
    {
        $input = new NoteInput();
        $form = $forms->createNamed('', NoteType::class, $input)->handleRequest($request);

        if ($form->isSubmitted() && $form->isValid()) {
            $notes->add(new Note((string) $input->text));
            $this->addFlash('success', 'The note is stored.');

            return $this->redirectToRoute('notes', status: Response::HTTP_SEE_OTHER);
        }

        // A form that was sent but is not valid makes this a 422.
        return $this->render('notes.html.twig', [
            'form' => $form,
            'notes' => array_reverse($notes->latest(self::SHOWN)),
        ]);
    }
}
