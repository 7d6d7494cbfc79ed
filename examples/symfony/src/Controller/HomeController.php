<?php

declare(strict_types=1);

namespace App\Controller;

use App\Diagnostics\Surroundings;
use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

final class HomeController extends AbstractController
{
    #[Route('/', name: 'home', methods: ['GET'])]
    public function __invoke(Surroundings $surroundings): Response
    {
        return $this->render('home.html.twig', [
            'php' => $surroundings->phpVersion(),
            'symfony' => $surroundings->symfonyVersion(),
            'worker' => $surroundings->worker(),
        ]);
    }
}
