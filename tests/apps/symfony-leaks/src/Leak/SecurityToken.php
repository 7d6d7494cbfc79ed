<?php

// A token that is put into the token storage.

declare(strict_types=1);

namespace App\Leak;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Component\Security\Core\Authentication\Token\Storage\TokenStorageInterface;
use Symfony\Component\Security\Core\Authentication\Token\UsernamePasswordToken;
use Symfony\Component\Security\Core\User\InMemoryUser;

#[Route('/security-token')]
final readonly class SecurityToken
{
    public function __construct(private TokenStorageInterface $tokens)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $before = $this->tokens->getToken()?->getUserIdentifier();
        $this->tokens->setToken(new UsernamePasswordToken(new InMemoryUser($request->query->getString('user'), null), 'main'));

        return new JsonResponse($before);
    }
}
