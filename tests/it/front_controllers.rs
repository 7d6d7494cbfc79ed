//! What a front controller of Symfony's may return besides a stock kernel, without the package.

use std::time::Duration;

use serde_json::json;

use crate::support::run::run_within;
use crate::support::symfony::{Series, launch};
use crate::support::{Launch, Mode};

/// The first request of a fresh copy compiles the container.
const LIMIT: Duration = Duration::from_secs(120);

/// The demo with another front controller; `code` returns the application.
fn returning(series: Series, code: &str) -> Launch {
    let launch = launch(series, Mode::Worker).workers(1);
    let text = format!("<?php\n\nrequire_once dirname(__DIR__).'/vendor/autoload_runtime.php';\n\n{code}\n");
    launch.dir().write("app/public/index.php", &text);
    launch
}

#[test]
fn a_response_is_given_to_every_request() {
    let code = "return static fn () => new Symfony\\Component\\HttpFoundation\\Response('the same', 201);";
    for series in [Series::V6_4, Series::V8_1] {
        run_within(LIMIT, returning(series, code), async |server| {
            for _ in 0..3 {
                let answer = server.get("/anything").await;
                assert_eq!((answer.status(), answer.text().as_str()), (201, "the same"), "{answer}");
            }
            assert!(!server.log().contains("worker.recycle"), "one worker has given them all:\n{}", server.log());
        });
    }
}

#[test]
fn a_kernel_behind_the_http_cache_is_booted_once_and_reset() {
    let code = "use Symfony\\Component\\HttpKernel\\HttpCache\\{HttpCache, Store};
        return static fn (array $context) => new HttpCache(new App\\Kernel($context['APP_ENV'], false), new Store(dirname(__DIR__).'/var/http'));";
    run_within(LIMIT, returning(Series::V7_4, code), async |server| {
        assert_eq!(server.dir().lines("kernel-boots"), 1, "before the first request");
        for number in 1..=3 {
            let seen = server.json("/api/kernel").await;
            assert_eq!((&seen["requests"], &seen["reset_count"]), (&json!(number), &json!(number - 1)), "{seen}");
        }
    });
}

const OWN: &str = "<?php

declare(strict_types=1);

namespace App;

use Symfony\\Bundle\\FrameworkBundle\\Kernel\\MicroKernelTrait;
use Symfony\\Component\\HttpFoundation\\{Request, Response};

final class OwnKernel extends \\Symfony\\Component\\HttpKernel\\Kernel
{
    use MicroKernelTrait;

    public function handle(Request $request, int $type = self::MAIN_REQUEST, bool $catch = true): Response
    {
        return $this->getHttpKernel()->handle($request, $type, $catch);
    }
}
";

const COUNTING: &str = "<?php

declare(strict_types=1);

namespace App\\Controller;

use Symfony\\Component\\HttpFoundation\\JsonResponse;
use Symfony\\Component\\Routing\\Attribute\\Route;
use Symfony\\Contracts\\Service\\ResetInterface;

final class Counting implements ResetInterface
{
    private int $resets = 0;

    public function reset(): void
    {
        ++$this->resets;
    }

    #[Route('/resets')]
    public function page(): JsonResponse
    {
        return new JsonResponse($this->resets);
    }
}
";

#[test]
fn a_kernel_with_a_handle_of_its_own_is_reset() {
    for series in [Series::V6_4, Series::V8_1] {
        let launch =
            returning(series, "return static fn (array $context) => new App\\OwnKernel($context['APP_ENV'], false);");
        launch.dir().write("app/src/OwnKernel.php", OWN);
        launch.dir().write("app/src/Controller/Counting.php", COUNTING);
        // The demo names its own kernel in these.
        for file in ["src/Kernel.php", "src/Controller/Api/KernelController.php"] {
            std::fs::remove_file(launch.dir().app().join(file)).expect("a file of the demo");
        }
        let services = launch.dir().app().join("config/services.yaml");
        let text = std::fs::read_to_string(&services).expect("a file of the demo");
        std::fs::write(&services, text.replace("'../src/Kernel.php'", "'../src/OwnKernel.php'")).expect("written");
        run_within(LIMIT, launch, async |server| {
            for number in 0..4 {
                assert_eq!(server.json("/resets").await, number, "once after each request");
            }
        });
    }
}

#[test]
fn each_request_may_have_a_kernel_of_its_own() {
    let launch = launch(Series::V8_1, Mode::Worker).workers(1).env("FRANKENPHP_RESET_KERNEL", "1");
    run_within(LIMIT, launch, async |server| {
        for _ in 0..3 {
            let seen = server.json("/api/kernel").await;
            assert_eq!((&seen["requests"], &seen["boots"]), (&json!(1), &json!(1)), "a new container: {seen}");
            assert_eq!(seen["worker"]["incarnation"], 1, "in the same worker: {seen}");
        }
        assert!(server.dir().lines("kernel-boots") >= 3, "the next one is booted before its request");
    });
}
