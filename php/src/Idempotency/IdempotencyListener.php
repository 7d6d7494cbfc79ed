<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Idempotency;

use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\HttpFoundation\BinaryFileResponse;
use Symfony\Component\HttpFoundation\File\UploadedFile;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpFoundation\StreamedResponse;
use Symfony\Component\HttpKernel\Event\ControllerArgumentsEvent;
use Symfony\Component\HttpKernel\Event\ExceptionEvent;
use Symfony\Component\HttpKernel\Event\FinishRequestEvent;
use Symfony\Component\HttpKernel\Event\ResponseEvent;
use Symfony\Component\HttpKernel\KernelEvents;
use Symfony\Component\Security\Core\Authentication\Token\Storage\TokenStorageInterface;
use Symfony\Component\Security\Core\Authentication\Token\SwitchUserToken;
use Symfony\Component\Security\Core\Exception\AccessDeniedException;
use Symfony\Component\Security\Core\Exception\AuthenticationException;

/**
 * Carries out what is marked #[Idempotent] once for each key.
 *
 * It looks at a request when its controller is about to be called: after firewalls and #[IsGranted], so that nobody gets an answer
 * who may not ask.
 */
final class IdempotencyListener implements EventSubscriberInterface
{
    private const string ATTEMPT = '_supercharger_idempotency';
    /** After everything that may refuse the request. */
    private const int BEFORE_CONTROLLER = -1024;
    /** Before those that make an answer of it. */
    private const int BEFORE_HANDLERS = 1024;
    /** After those that shape the response, before the session's, whose cookies are not kept anyway. */
    private const int AFTER_RESPONSE = -512;

    public function __construct(private readonly ?TokenStorageInterface $tokens = null, private readonly Ledger $ledger = new Ledger())
    {
    }

    public static function getSubscribedEvents(): array
    {
        return [
            KernelEvents::CONTROLLER_ARGUMENTS => ['begin', self::BEFORE_CONTROLLER],
            KernelEvents::RESPONSE => ['finish', self::AFTER_RESPONSE],
            KernelEvents::EXCEPTION => ['refuse', self::BEFORE_HANDLERS],
            KernelEvents::FINISH_REQUEST => 'abandon',
        ];
    }

    public function begin(ControllerArgumentsEvent $event): void
    {
        $request = $event->getRequest();
        if (!$event->isMainRequest() || !\in_array($request->getMethod(), Idempotent::METHODS, true)) {
            return;
        }
        if (null === $rule = self::rule($event)) {
            return;
        }
        if (!\function_exists('supercharger_lock_acquire')) {
            throw new \LogicException('#[Idempotent] keeps its keys in the store of supercharger, which does not run this program.');
        }
        $route = $request->attributes->get('_route', $request->getPathInfo());
        // Others live under another name, or on another mount point of this server.
        $place = $request->getHttpHost().$request->getBaseUrl()."\0".(\is_string($route) ? $route : '');
        $key = trim((string) $request->headers->get($rule->header));
        $print = '' === $key ? '' : self::fingerprint($request);
        $begun = $this->ledger->begin($rule, $key, $this->principal($rule, $request)."\0".$place, $print);
        if ($begun instanceof Attempt) {
            $request->attributes->set(self::ATTEMPT, $begun);
        } elseif (null !== $begun) {
            $response = $begun instanceof Refusal
                ? new Response($begun->body($rule->header), $begun->status(), $begun->headers())
                : new Response($begun->body ?? '', $begun->status, $begun->headers + [Ledger::REPLAYED => 'true']);
            $event->setController(static fn (): Response => $response);
            $event->setArguments([]);
        }
    }

    public function finish(ResponseEvent $event): void
    {
        $attempt = $event->getRequest()->attributes->get(self::ATTEMPT);
        if (!$event->isMainRequest() || !$attempt instanceof Attempt) {
            return;
        }
        $response = $event->getResponse();
        if (!Answer::isFinal($response->getStatusCode())) {
            $attempt->abandon();

            return;
        }
        $isKnown = !$response instanceof StreamedResponse && !$response instanceof BinaryFileResponse;
        $body = $isKnown ? $response->getContent() : false;
        $headers = Answer::kept($response->headers->allPreserveCaseWithoutCookies());
        $attempt->finish(new Answer($response->getStatusCode(), $headers, false === $body ? null : $body));
    }

    /** Whoever asks was refused from inside, maybe by a redirect to a form: with a permission, the next one is carried out. */
    public function refuse(ExceptionEvent $event): void
    {
        $attempt = $event->getRequest()->attributes->get(self::ATTEMPT);
        for ($thrown = $event->getThrowable(); null !== $thrown; $thrown = $thrown->getPrevious()) {
            $isRefusal = $thrown instanceof AccessDeniedException || $thrown instanceof AuthenticationException;
            if ($isRefusal && $event->isMainRequest() && $attempt instanceof Attempt) {
                $attempt->abandon();
            }
        }
    }

    /** Nobody has answered. */
    public function abandon(FinishRequestEvent $event): void
    {
        $attempt = $event->getRequest()->attributes->get(self::ATTEMPT);
        if ($event->isMainRequest() && $attempt instanceof Attempt) {
            $attempt->abandon();
        }
    }

    private static function rule(ControllerArgumentsEvent $event): ?Idempotent
    {
        // One of the method comes after that of its class.
        $rules = $event->getAttributes()[Idempotent::class] ?? [];
        $rule = end($rules);

        return $rule instanceof Idempotent ? $rule : Idempotent::of($event->getRequest()->attributes->get('_idempotent'));
    }

    private function principal(Idempotent $rule, Request $request): string
    {
        if (str_starts_with($rule->scope, Idempotent::BY_HEADER)) {
            return $rule->scope."\0".$request->headers->get(substr($rule->scope, \strlen(Idempotent::BY_HEADER)));
        }
        $token = $this->tokens?->getToken();
        $user = $token?->getUserIdentifier();
        if (null === $user || '' === $user) {
            return "authorization\0".$request->headers->get('Authorization');
        }
        // Another firewall may know another one by the same name; and who stands in for somebody is not him.
        $firewall = $request->attributes->get('_firewall_context');
        $behind = $token instanceof SwitchUserToken ? $token->getOriginalToken()->getUserIdentifier() : '';

        return "user\0".(\is_string($firewall) ? $firewall : '')."\0$behind\0$user";
    }

    private static function fingerprint(Request $request): string
    {
        $hash = hash_init('sha256');
        hash_update($hash, $request->getMethod()."\0".$request->getPathInfo()."\0".$request->getQueryString()."\0");
        $body = $request->getContent();
        hash_update($hash, $body);
        if ('' === $body) {
            // A form with files has been taken apart by PHP.
            hash_update($hash, serialize($request->request->all()));
            $files = $request->files->all();
            array_walk_recursive($files, static function (mixed $file, int|string $name) use ($hash): void {
                $content = $file instanceof UploadedFile && $file->isValid() ? hash_file('sha256', $file->getPathname()) : '';
                hash_update($hash, "\0$name\0$content");
            });
        }

        return hash_final($hash);
    }
}
