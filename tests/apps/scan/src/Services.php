<?php

declare(strict_types=1);

namespace App;

use Psr\Log\LoggerInterface;
use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\DependencyInjection\Attribute\Exclude;
use Symfony\Component\EventDispatcher\EventDispatcherInterface;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\RequestStack;
use Symfony\Component\HttpKernel\Attribute\AsController;
use Symfony\Component\Routing\Attribute\Route;
use Symfony\Contracts\Service\Attribute\Required;
use Symfony\Contracts\Service\ResetInterface;

interface Cart
{
    public function add(string $item): void;
}

#[AsController]
final class ShopController
{
    private ?Request $request = null; // expect: RS009 error
    private int $served = 0; // expect: RS009 error

    public function __construct(private Cart $cart, private readonly Checkout $checkout, private Deep $deep)
    {
    }

    #[Route('/')]
    public function index(Request $request, Money $money): string
    {
        $this->request = $request;
        $this->served++;

        return (string) new Money(1);
    }
}

/** Injected by its interface. */
final class SessionCart implements Cart
{
    private array $items = []; // expect: RS009 error

    public function add(string $item): void
    {
        $this->items[] = $item;
    }
}

final class Checkout
{
    private ?string $customer = null; // expect: RS009 error
    private ?string $locale = null; // expect: RS009 warning
    private ?\Closure $lazy = null;
    private ?LoggerInterface $logger = null;
    private ?object $collaborator = null;
    private int $depth = 0;
    private bool $prepared;
    private bool $loaded = false;
    private array $rates = [];
    private ?string $seen = null; // expect: RS009 error
    private bool $booted = false;
    private ?string $current = null; // expect: RS009 error
    private ?string $other = null; // expect: RS009 error
    private bool $warm = false;
    private ?string $table = null;
    private bool $known = false;
    private ?string $name = null;
    private ?string $behind = null; // expect: RS009 error
    private array $lastKeys = [];
    private array $stack = []; // expect: RS009 error

    public function __construct(private RequestStack $requests)
    {
        $this->prepare();
    }

    private function prepare(): void
    {
        $this->prepared = true;
    }

    #[Required]
    public function collaborate(object $collaborator): void
    {
        $this->collaborator = $collaborator;
    }

    public function setLogger(LoggerInterface $logger): void
    {
        $this->logger = $logger;
    }

    public function setLocale(string $locale): void
    {
        $this->locale = $locale;
    }

    public function rates(): array
    {
        if (!$this->loaded) {
            $this->loaded = true;
            $this->rates = (array) json_decode((string) file_get_contents(__DIR__.'/rates.json'), true);
            $this->seen = $this->requests->getCurrentRequest()?->getUser();
        }

        return $this->rates;
    }

    public function handle(): void
    {
        if (!$this->booted) {
            $this->booted = true;
        }
        $this->current = (string) file_get_contents('/srv/current');
        if ($this->requests->getCurrentRequest() !== null) {
            $this->other = (string) file_get_contents('/srv/other');
        }
    }

    public function warm(): ?string
    {
        if ($this->warm) {
            return $this->table;
        }
        $this->warm = true;
        if (is_file(__DIR__.'/table')) {
            $this->table = (string) file_get_contents(__DIR__.'/table');
        }

        return $this->table;
    }

    public function each(array $names): void
    {
        foreach ($names as $name) {
            if ($this->known) {
                continue;
            }
            $this->known = true;
            $this->name = (string) file_get_contents(__DIR__.'/name');
        }
        $this->behind = (string) file_get_contents('/srv/behind');
    }

    public function enter(string $what): void
    {
        $this->stack[] = $what;
    }

    public function leave(): ?string
    {
        return array_pop($this->stack);
    }

    public function remember(string $key): string
    {
        if (\count($this->lastKeys) > 100) {
            array_shift($this->lastKeys);
        }

        return $this->lastKeys[$key] ??= strrev($key);
    }

    public function run(): mixed
    {
        $this->lazy ??= static fn () => 1;
        $this->customer ??= $this->requests->getCurrentRequest()?->getUser();
        ++$this->depth;
        try {
            return ($this->lazy)();
        } finally {
            --$this->depth;
        }
    }
}

/** The state is that of its base and of a trait. */
final class Deep extends Base
{
    use Remembers;
}

abstract class Base
{
    private mixed $last = null; // expect: RS009 error

    public function keep(mixed $value): void
    {
        $this->last = $value;
    }
}

trait Remembers
{
    private array $remembered = []; // expect: RS009 error

    public function remember(string $what): void
    {
        $this->remembered[] = $what;
    }
}

abstract class Unused
{
    private mixed $last = null;

    public function keep(mixed $value): void
    {
        $this->last = $value;
    }
}

#[AsController]
final class ListeningController
{
    public function __construct(private EventDispatcherInterface $dispatcher)
    {
        $dispatcher->addListener('kernel.view', fn () => null);
    }

    public function __invoke(): void
    {
        $this->dispatcher->addListener('kernel.response', fn () => null); // expect: RS009 error
    }
}

#[AsController]
final class ResetController implements ResetInterface
{
    private ?string $user = null;
    private ?string $left = null; // expect: RS009 warning

    public function __invoke(string $user): void
    {
        $this->user = $this->left = $user;
    }

    public function reset(): void
    {
        $this->user = null;
    }
}

final class Tagged
{
    private ?string $user = null;

    public function __construct(private Cart $cart)
    {
    }

    public function login(string $user): void
    {
        $this->user = $user;
    }

    public function clear(): void
    {
        $this->user = null;
    }
}

#[Exclude]
final class Excluded
{
    private ?string $user = null;

    public function __construct(private Cart $cart)
    {
    }

    public function login(string $user): void
    {
        $this->user = $user;
    }
}

final class Money
{
    private int $amount;

    public function __construct(int $amount)
    {
        $this->amount = $amount;
    }

    public function add(int $more): void
    {
        $this->amount += $more;
    }

    public function __toString(): string
    {
        return (string) $this->amount;
    }
}

final readonly class Immutable
{
    public function __construct(private Cart $cart)
    {
    }
}

final class CartException extends \RuntimeException
{
    private ?string $item = null;

    public function __construct(private Cart $cart)
    {
    }

    public function about(string $item): void
    {
        $this->item = $item;
    }
}
