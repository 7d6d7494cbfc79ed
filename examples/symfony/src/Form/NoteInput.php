<?php

declare(strict_types=1);

namespace App\Form;

use Symfony\Component\Validator\Constraints as Assert;

/**
 * What a visitor may say about a note, in the form and in the JSON interface alike.
 */
final class NoteInput
{
    public function __construct(
        #[Assert\NotBlank(message: 'A note needs some text.', normalizer: 'trim')]
        #[Assert\Length(max: 1000, maxMessage: 'A note has at most {{ limit }} characters.')]
        public ?string $text = null,
    ) {
    }
}
