<?php

declare(strict_types=1);

namespace App\Controller;

use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\HttpFoundation\File\UploadedFile;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

final class UploadController extends AbstractController
{
    #[Route('/upload', name: 'upload', methods: ['GET'])]
    public function form(): Response
    {
        return $this->render('upload.html.twig');
    }

    #[Route('/upload', name: 'upload_send', methods: ['POST'])]
    public function send(Request $request): JsonResponse
    {
        $file = $request->files->get('file');
        if (!$file instanceof UploadedFile) {
            return new JsonResponse(['error' => 'No file was sent in the field "file".'], Response::HTTP_BAD_REQUEST);
        }
        if (!$file->isValid()) {
            return new JsonResponse(['error' => $file->getErrorMessage()], Response::HTTP_BAD_REQUEST);
        }

        return new JsonResponse([
            'name' => $file->getClientOriginalName(),
            'size' => $file->getSize(),
            'sha256' => hash_file('sha256', $file->getPathname()),
        ]);
    }
}
