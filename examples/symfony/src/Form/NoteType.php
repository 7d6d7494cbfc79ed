<?php

declare(strict_types=1);

namespace App\Form;

use Symfony\Component\Form\AbstractType;
use Symfony\Component\Form\Extension\Core\Type\TextType;
use Symfony\Component\Form\FormBuilderInterface;
use Symfony\Component\OptionsResolver\OptionsResolver;

final class NoteType extends AbstractType
{
    public function buildForm(FormBuilderInterface $builder, array $options): void
    {
        $builder->add('text', TextType::class, ['label' => 'New note']);
    }

    public function configureOptions(OptionsResolver $resolver): void
    {
        $resolver->setDefaults([
            'data_class' => NoteInput::class,
            'csrf_token_id' => 'note',
            'csrf_message' => 'The form was not sent from this page, or too late. Please send it again.',
        ]);
    }

    /** No prefix: the fields are simply called "text" and "_token". */
    public function getBlockPrefix(): string
    {
        return '';
    }
}
