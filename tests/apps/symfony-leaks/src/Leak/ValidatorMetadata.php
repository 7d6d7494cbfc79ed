<?php

// A constraint that each request adds to a class.

declare(strict_types=1);

namespace App\Leak;

use App\Entity\Account;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Component\Validator\Constraints\NotEqualTo;
use Symfony\Component\Validator\Mapping\ClassMetadata;
use Symfony\Component\Validator\Validator\ValidatorInterface;

#[Route('/validator-metadata')]
final readonly class ValidatorMetadata
{
    public function __construct(private ValidatorInterface $validator)
    {
    }

    public function __invoke(Request $request): JsonResponse
    {
        $user = $request->query->getString('user');
        $found = $this->validator->validate(new Account(1, 'u1'));
        $metadata = $this->validator->getMetadataFor(Account::class);
        \assert($metadata instanceof ClassMetadata);
        $metadata->addPropertyConstraint('owner', new NotEqualTo($user));

        return new JsonResponse(0 === \count($found) ? null : $found[0]->getInvalidValue());
    }
}
