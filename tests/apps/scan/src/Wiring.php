<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\Console\ConsoleEvents;
use Symfony\Component\DependencyInjection\Attribute\Autoconfigure;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\EventDispatcher\EventDispatcherInterface;
use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Attribute\AsController;
use Symfony\Component\HttpKernel\Kernel;
use Symfony\Component\HttpKernel\KernelEvents;
use Symfony\Contracts\Service\ResetInterface;

/** The container calls some of its setters (config/services.yaml), a request another one. */
final class Wired
{
    private string $region = '';
    private int $limit = 0;
    private string $unit = '';
    private int $volume = 0;
    private ?string $currency = null; // expect: RS009 warning
    private ?string $user = null; // expect: RS009 warning
    private array $names = [];

    public function setRegion(string $region): void
    {
        $this->region = $region;
        $this->setNames([$region]);
    }

    public function setLimit(int $limit): void
    {
        $this->limit = $limit;
    }

    public function setUnit(string $unit): void
    {
        $this->unit = $unit;
    }

    /** Nobody calls it: it is there for other configurations, as those above. */
    public function setVolume(int $volume): void
    {
        $this->volume = $volume;
    }

    public function setCurrency(string $currency): void
    {
        $this->currency = $currency;
    }

    public function setUser(string $user): void
    {
        $this->user = $user;
    }

    private function setNames(array $names): void
    {
        $this->names = $names;
    }

    public function price(int $amount): string
    {
        $this->setCurrency($amount > 100 ? 'EUR' : 'USD');

        return $amount.$this->currency.$this->region.$this->limit.$this->unit.$this->volume.$this->user.implode($this->names);
    }
}

#[AsController]
final class WiredController
{
    public function __construct(private readonly Wired $wired, private readonly Frozen $frozen, private readonly Built $built)
    {
    }

    public function __invoke(string $user): string
    {
        $this->wired->setUser($user);
        $this->built->setShade($user);

        return $this->wired->price(1);
    }
}

#[Autoconfigure(lazy: true)]
final class Built
{
    private string $colour = '';
    private string $shade = ''; // expect: RS009 warning

    public function setColour(string $colour): void
    {
        $this->colour = $colour;
    }

    public function setShade(string $shade): void
    {
        $this->shade = $shade.$this->colour;
    }
}

final class BuiltFactory
{
    public function create(): Built
    {
        $built = new Built();
        $built->setColour('red');

        return $built;
    }
}

/** What it inherits it forbids. */
#[Autoconfigure(lazy: true)]
final class Frozen extends Bag
{
    public function put(string $name, string $value): void
    {
        throw new \LogicException('It is frozen.');
    }

    public function take(string $name): void
    {
        parent::take($name);
    }
}

class Bag
{
    private array $values = [];
    private array $taken = []; // expect: RS009 error

    public function put(string $name, string $value): void
    {
        $this->values[$name] = $value;
    }

    public function take(string $name): void
    {
        $this->taken[] = $name.\count($this->values);
    }
}

final class Pass implements CompilerPassInterface
{
    private static int $runs = 0;

    public function process(ContainerBuilder $container): void
    {
        ++self::$runs;
        (new Entity\Notes())->note('a');
        (new PassHelper())->note('a');
    }
}

/** The container may make one as well: it is in the folder of the services. */
final class PassHelper
{
    private static array $notes = []; // expect: RS001 error

    public function note(string $note): void
    {
        self::$notes[] = $note;
    }
}

final class AppKernel extends Kernel implements CompilerPassInterface
{
    private static int $boots = 0; // expect: RS001 error

    public function boot(): void
    {
        ++self::$boots;
    }

    public function process(ContainerBuilder $container): void
    {
    }
}

final class ConsoleOnly implements EventSubscriberInterface
{
    private ?object $command = null;

    public static function getSubscribedEvents(): array
    {
        return [ConsoleEvents::COMMAND => 'onCommand'];
    }

    public function onCommand(object $event): void
    {
        $this->command = $event;
    }
}

final class ConsoleAndRequests implements EventSubscriberInterface
{
    private ?object $last = null; // expect: RS009 error

    public static function getSubscribedEvents(): array
    {
        return [ConsoleEvents::COMMAND => 'on', KernelEvents::REQUEST => 'on'];
    }

    public function on(object $event): void
    {
        $this->last = $event;
    }
}

#[AsController]
final class Closures
{
    private ?\Closure $next = null; // expect: RS009 error
    private ?object $options = null;

    public function passing(array $list): array
    {
        $next = function () {
            static $i = 0;

            return $i++;
        };

        return $this->each($list, $next);
    }

    private function each(array $list, \Closure $next): array
    {
        return array_map(fn (): int => $next(), $list);
    }

    public function kept(): void
    {
        $next = function () {
            static $kept = 0; // expect: RS006 error

            return $kept++;
        };
        $this->next = $next;
    }

    public function returned(): \Closure
    {
        $next = static function () {
            static $returned = 0; // expect: RS006 error

            return $returned++;
        };

        return $next;
    }

    public function captured(object $queue): void
    {
        $next = static function () {
            static $captured = 0; // expect: RS006 error

            return $captured++;
        };
        $queue->push(fn (): int => $next());
    }

    public function ofTheRequest(Request $request): void
    {
        $request->setSessionFactory(function () {
            static $session;

            return $session ??= new \ArrayObject();
        });
    }

    public function bound(object $options): ?object
    {
        \Closure::bind(function (): void { $this->exceptions = spl_object_id($this); }, $options, $options)();

        return $this->options;
    }
}

#[AsController]
final class Listening
{
    private array $names = [];
    private array $rates; // expect: RS009 error
    private \SplObjectStorage $seen; // expect: RS009 warning

    public function __construct(private readonly EventDispatcherInterface $dispatcher)
    {
    }

    public function around(callable $listener, callable $work): mixed
    {
        $this->dispatcher->addListener('a', $listener);
        try {
            return $work();
        } finally {
            $this->dispatcher->removeListener('a', $listener);
        }
    }

    public function names(): array
    {
        if ([] === $this->names) {
            $this->read();
        }

        return $this->names;
    }

    private function read(): void
    {
        $this->names = [];
        foreach (file(__DIR__.'/names') as $line) {
            $this->names[] = trim($line);
        }
    }

    public function rate(array $rates): void
    {
        $this->rates = [];
        foreach ($rates as $rate) {
            $this->rates[] = $rate;
        }
    }

    public function visit(array $nodes): void
    {
        $this->seen = new \SplObjectStorage();
        foreach ($nodes as $node) {
            $this->seen[$node] = true;
        }
        $this->seen = new \SplObjectStorage();
    }
}

/** Somebody else resets it. */
#[Autoconfigure(lazy: true)]
final class Ledger
{
    private array $entries = [];

    public function enter(string $entry): void
    {
        $this->entries[] = $entry;
    }

    public function reset(): void
    {
        $this->entries = [];
    }
}

#[AsController]
final class LedgerKeeper implements ResetInterface
{
    public function __construct(private readonly Ledger $ledger)
    {
    }

    public function reset(): void
    {
        $this->ledger->reset();
    }
}
