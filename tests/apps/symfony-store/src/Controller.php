<?php

declare(strict_types=1);

namespace App;

use Supercharger\Runtime\Idempotency\Idempotent;
use Supercharger\Runtime\Store\ExactLimiterFactory;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpFoundation\StreamedResponse;
use Symfony\Component\HttpKernel\Exception\ConflictHttpException;
use Symfony\Component\Lock\LockFactory;
use Symfony\Component\RateLimiter\RateLimiterFactory;
use Symfony\Contracts\Cache\CacheInterface;
use Symfony\Contracts\Cache\ItemInterface;
use Symfony\Contracts\Cache\TagAwareCacheInterface;

final readonly class Controller
{
    public function __construct(
        private CacheInterface $cache,
        private TagAwareCacheInterface $tagged,
        private LockFactory $locks,
        private RateLimiterFactory $stock,
        private ExactLimiterFactory $exact,
    ) {
    }

    public function hit(): Response
    {
        return new Response((string) getmypid());
    }

    public function cached(): Response
    {
        $make = static function (ItemInterface $item): string {
            $item->expiresAfter(3600);
            self::note('made');

            return 'value';
        };
        $tagged = $this->tagged->get('b', static function (ItemInterface $item): string {
            $item->tag('t');
            self::note('made');

            return 'tagged';
        });

        return new Response($this->cache->get('a', $make).' '.$tagged);
    }

    public function forget(): Response
    {
        $this->tagged->invalidateTags(['t']);

        return new Response('forgotten');
    }

    public function stock(): Response
    {
        return new Response($this->stock->create('all')->consume()->isAccepted() ? 'yes' : 'no');
    }

    public function exact(): Response
    {
        return new Response($this->exact->create('all')->consume()->isAccepted() ? 'yes' : 'no');
    }

    public function locked(): Response
    {
        $lock = $this->locks->createLock('counter');
        $lock->acquire(true);
        $file = getenv('TEST_DIR').'/counter';
        $count = (int) @file_get_contents($file) + 1;
        usleep(500);
        file_put_contents($file, (string) $count);
        $lock->release();

        return new Response((string) $count);
    }

    #[Idempotent(ttl: 60)]
    public function pay(Request $request): Response
    {
        self::note('paid');
        usleep((int) $request->query->get('usleep', '0'));
        $response = new Response('receipt for '.$request->getContent(), 201, ['X-Receipt' => '17', 'Content-Type' => 'text/plain']);
        $response->headers->setCookie(new \Symfony\Component\HttpFoundation\Cookie('secret', 'of one browser'));

        return $response;
    }

    #[Idempotent(required: true, scope: 'header:X-Customer')]
    public function must(): Response
    {
        self::note('paid');

        return new Response('done');
    }

    #[Idempotent]
    public function broken(): Response
    {
        self::note('paid');
        throw new \RuntimeException('deliberate failure');
    }

    #[Idempotent]
    public function refused(): Response
    {
        self::note('paid');
        throw new ConflictHttpException('deliberately refused');
    }

    #[Idempotent]
    public function streamed(): Response
    {
        self::note('paid');

        return new StreamedResponse(static function (): void { echo 'streamed'; });
    }

    #[Idempotent]
    public function dies(): Response
    {
        self::note('paid');
        exit(1);
    }

    public function plain(): Response
    {
        self::note('paid');

        return new Response('done');
    }

    private static function note(string $line): void
    {
        file_put_contents(getenv('TEST_DIR').'/notes', "$line\n", \FILE_APPEND | \LOCK_EX);
    }
}
