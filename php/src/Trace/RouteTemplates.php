<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Trace;

use Symfony\Component\Config\ConfigCache;
use Symfony\Component\HttpKernel\CacheWarmer\CacheWarmerInterface;
use Symfony\Component\Routing\RouterInterface;

/**
 * The paths of all routes as they were written: `/orders/{id}`.
 *
 * The router does not keep them at hand: to ask it means to read all controllers. So they are written into the cache with everything
 * else, as an array that OPcache shares.
 */
final class RouteTemplates implements CacheWarmerInterface
{
    /** Longest that the server takes, in bytes. */
    private const int MOST = 200;

    /** @var array<string, string>|null by name */
    private ?array $templates = null;

    public function __construct(private readonly RouterInterface $router, private readonly string $cacheFolder, private readonly bool $debug)
    {
    }

    public function of(string $route): ?string
    {
        $this->templates ??= $this->load($this->cacheFolder);

        return $this->templates[$route] ?? null;
    }

    public function isOptional(): bool
    {
        return true;
    }

    /** @return list<string> */
    public function warmUp(string $cacheDir, ?string $buildDir = null): array
    {
        $this->load($cacheDir);

        return [];
    }

    /** @return array<string, string> */
    private function load(string $folder): array
    {
        $cache = new ConfigCache($folder.'/supercharger_routes.php', $this->debug);
        if (!$cache->isFresh()) {
            $routes = $this->router->getRouteCollection();
            $templates = [];
            foreach ($routes as $name => $route) {
                $template = $route->getPath();
                if (\strlen($template) <= self::MOST && 1 !== preg_match('/[\x00-\x1f\x7f]/', $template)) {
                    $templates[$name] = $template;
                }
            }
            $cache->write('<?php return '.var_export($templates, true).';', $routes->getResources());
        }
        $templates = require $cache->getPath();

        return \is_array($templates) ? $templates : [];
    }
}
