//! The drift detector: what it says, where, and what it leaves alone. What it says of leaks of every kind is in `leaks`.

use std::time::Duration;

use serde_json::Value;

use crate::support::dir::PrivateDir;
use crate::support::run::run_within;
use crate::support::symfony::{self, Series};
use crate::support::{Launch, Mode, Server, run, until};

fn leaking() -> Launch {
    // What the engine puts back is told there.
    let launch = Launch::with_dir(PrivateDir::with_app("leaks"), Mode::Worker).config("log.level", "\"debug\"");
    launch.root(".").script("worker.php").workers(1)
}

fn found(server: &Server) -> Vec<Value> {
    let log = server.log();
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter(|record| record["event"] == "drift.found").collect()
}

async fn first(server: &Server) -> Value {
    until(Duration::from_secs(10), "drift is found", || found(server).into_iter().next()).await
}

async fn users(server: &Server, pattern: &str, count: usize) {
    for number in 1..=count {
        server.get(&format!("/{pattern}?user=u{number}")).await.ok();
    }
}

/// Kind, class and property, file, line, route, request and sizes.
#[test]
fn a_finding_says_what_where_and_who() {
    run(leaking(), async |server| {
        users(server, "static-array", 4).await;
        let answer = server.get("/static-array?user=u5").await;
        let record = first(server).await;
        assert_eq!(record["what"], "Leaks\\StaticArray\\Audit::$entries", "{record}");
        assert_eq!(record["kind"], "static_property", "{record}");
        assert_eq!(record["why"], "grows", "{record}");
        let file = server.dir().app().join("patterns/static-array.php");
        assert_eq!(record["file"], file.display().to_string(), "{record}");
        let source = std::fs::read_to_string(file).expect("the pattern");
        let line = source.lines().position(|line| line.contains("$entries")).expect("its declaration") + 1;
        assert_eq!(record["line"], line, "{record}");
        assert_eq!(record["route"], "/static-array", "{record}");
        assert_eq!(record["request_id"], answer.header("x-request-id").expect("an id"), "{record}");
        assert_eq!((&record["before"], &record["after"]), (&4.into(), &5.into()), "{record}");
        assert_eq!(record["level"], "warn", "{record}");
        // Once per worker, however often.
        users(server, "static-array", 20).await;
        assert_eq!(found(server).len(), 1, "{:?}", found(server));
    });
}

/// Another user's data is told the first time that there is any, by what it is: a value of the request.
#[test]
fn data_of_a_request_is_told_at_once() {
    run(leaking(), async |server| {
        server.get("/static-property?user=somebody").await.ok();
        server.get("/ini?user=x").await.ok();
        let record = first(server).await;
        assert_eq!((&record["why"], &record["route"]), (&"holds_request_data".into(), &"/static-property".into()));
    });
}

/// A cache that fills once for each route, a service that is made when it is needed, a counter: no drift.
#[test]
fn what_settles_is_learnt() {
    let launch = leaking();
    launch.dir().write(
        "app/patterns/settles.php",
        "<?php
        namespace Leaks\\Settles;
        final class Cache {
            public static array $tables = [];
            private static ?self $instance = null;
            private array $compiled = [];
            private int $hits = 0;
            public static function get(): self { return self::$instance ??= new self(); }
            public function table(string $name): void {
                self::$tables[$name] ??= str_repeat($name, 10);
                $this->compiled[$name] ??= new \\ArrayObject([$name]);
            }
            public function hit(): void { ++$this->hits; }
        }
        return static function (string $user): mixed {
            static $warm = false;
            $warm = true;
            foreach (range(1, strlen($user)) as $n) { Cache::get()->table(\"table $n\"); }
            Cache::get()->hit();
            return null;
        };",
    );
    run(launch, async |server| {
        for _ in 0..10 {
            for user in ["a", "bb"] {
                server.get(&format!("/settles?user={user}")).await.ok();
            }
        }
        users(server, "ini", 1).await;
        let record = first(server).await;
        assert_eq!(record["route"], "/ini", "{record}");
    });
}

/// Code that the JIT has compiled may keep its variables in registers, but not what outlives it.
#[test]
fn what_compiled_code_leaves_is_found() {
    let launch = leaking().ini("opcache.jit", "tracing").ini("opcache.jit_buffer_size", "16M");
    run(launch.ini("opcache.jit_hot_func", "2").ini("opcache.jit_hot_loop", "2"), async |server| {
        users(server, "static-array", 40).await;
        is_found(server, "Leaks\\StaticArray\\Audit::$entries").await;
        users(server, "static-property", 10).await;
        is_found(server, "Leaks\\StaticProperty\\Auth::$user").await;
        users(server, "ini", 1).await;
        // The looks of the last request come after its answer.
        until(Duration::from_secs(10), "the third finding", || (found(server).len() >= 3).then_some(())).await;
        assert_eq!(found(server).len(), 3, "{:?}", found(server));
    });
}

#[test]
fn a_worker_that_drifts_is_replaced_where_that_is_wanted() {
    let launch = leaking().config("pools.default.reset.drift", "\"recycle\"").admin();
    run(launch, async |server| {
        users(server, "ini", 3).await;
        assert_eq!(server.metric("supercharger_recycle_total{pool=\"default\",reason=\"drift\"}").await, 0.0);
        users(server, "static-property", 1).await;
        let line = server.wait_for_log("\"worker.recycle\"").await;
        assert!(line.contains("\"reason\":\"drift\"") && line.contains("Auth::$user"), "{line}");
        assert_eq!(server.metric("supercharger_recycle_total{pool=\"default\",reason=\"drift\"}").await, 1.0);
    });
}

/// Off is off; sampling looks at one request in so many.
#[test]
fn nothing_is_looked_for_where_it_is_off() {
    run(leaking().config("pools.default.reset.drift", "\"off\"").admin(), async |server| {
        users(server, "static-array", 20).await;
        let kinds = server.ask_admin("GET", "/metrics", &[]).await.text();
        let counted: Vec<_> = kinds
            .lines()
            .filter(|line| line.starts_with("supercharger_drift_total") && !line.ends_with(" 0"))
            .collect();
        assert!(counted.is_empty() && found(server).is_empty(), "{counted:?}");
        assert!(kinds.contains("supercharger_drift_total{kind=\"static_property\",pool=\"default\"} 0"), "{kinds}");
    });
}

#[test]
fn sampling_finds_the_same_later() {
    run(leaking().config("pools.default.reset.drift_sample", "10").admin(), async |server| {
        users(server, "static-array", 9).await;
        assert_eq!(server.metric("supercharger_drift_total{kind=\"static_property\",pool=\"default\"}").await, 0.0);
        users(server, "static-array", 40).await;
        let record = first(server).await;
        assert_eq!(record["what"], "Leaks\\StaticArray\\Audit::$entries", "{record}");
        // Only the sampled request's own growth is told.
        let sizes = (record["before"].as_u64().expect("a number"), record["after"].as_u64().expect("a number"));
        assert_eq!(sizes.0 + 1, sizes.1, "{record}");
    });
}

/// The table of workers and the metrics say it as well.
#[test]
fn operators_see_it() {
    run(leaking().admin(), async |server| {
        users(server, "static-property", 3).await;
        users(server, "timezone", 60).await;
        let workers = server.admin_json("/workers").await;
        let worker = &workers["workers"][0];
        assert_eq!(worker["last_drift"], "Leaks\\StaticProperty\\Auth::$user", "{worker}");
        assert_eq!(worker["drifts"], 3, "{worker}");
        assert_eq!(server.metric("supercharger_drift_total{kind=\"static_property\",pool=\"default\"}").await, 3.0);
        assert!(server.metric("supercharger_drift_total{kind=\"timezone\",pool=\"default\"}").await >= 59.0);
        let grown = server.metric("supercharger_route_heap_growth_bytes{pool=\"default\",route=\"\"}").await;
        assert!(grown.abs() < 4096.0, "{grown}");
    });
}

/// Nothing that belongs to the application runs because somebody looks.
#[test]
fn looking_runs_no_code_of_the_application() {
    let launch = leaking();
    launch.dir().write(
        "app/patterns/touchy.php",
        "<?php
        namespace Leaks\\Touchy;
        final class Touchy {
            private array $data = ['a' => 1];
            public function __get(string $name): mixed { throw new \\LogicException('read'); }
            public function __isset(string $name): bool { throw new \\LogicException('asked'); }
            public function __debugInfo(): array { throw new \\LogicException('shown'); }
            public function __destruct() { throw new \\LogicException('destroyed'); }
        }
        final class Lazy { public array $made = []; public function __construct() { throw new \\LogicException('made'); } }
        final class Holder {
            public static array $all = [];
            public static ?object $lazy = null;
            public static ?\\Fiber $fiber = null;
            public static \\WeakMap $map;
            public static array $cycle = [];
        }
        enum Suit { case Hearts; }
        return static function (string $user): mixed {
            if ([] === Holder::$all) {
                unset(Holder::$all['x']);
                $touchy = new Touchy();
                Holder::$all = [$touchy, Suit::Hearts, new \\ArrayIterator([$touchy]), \\Closure::fromCallable('strlen'), (new \\ReflectionClass(Lazy::class))];
                Holder::$lazy = (new \\ReflectionClass(Lazy::class))->newLazyGhost(static function (): void { throw new \\LogicException('initialised'); });
                Holder::$all[] = (new \\ReflectionClass(Lazy::class))->newLazyProxy(static function (): Lazy { throw new \\LogicException('initialised'); });
                Holder::$fiber = new \\Fiber(static function () use ($touchy): void { $inner = [$touchy]; \\Fiber::suspend(); });
                Holder::$fiber->start();
                Holder::$map = new \\WeakMap();
                Holder::$map[$touchy] = $touchy;
                Holder::$cycle['self'] = &Holder::$cycle;
            }
            return null;
        };",
    );
    run(launch.expect_error("LogicException: destroyed"), async |server| {
        users(server, "touchy", 10).await;
        users(server, "ini", 1).await;
        let record = first(server).await;
        assert_eq!(record["route"], "/ini", "{record}");
        assert!(!server.log().contains("LogicException"), "{}", server.log());
    });
}

/// An application with large tables in statics is looked at as often as its requests pay for; what it leaves is found nevertheless.
#[test]
fn looks_are_paid_for() {
    let launch = leaking().admin();
    launch.dir().write(
        "app/patterns/tables.php",
        "<?php
        namespace Leaks\\Tables;
        final class Tables { public static array $all = []; public static array $seen = []; }
        return static function (string $user): mixed {
            Tables::$all = Tables::$all ?: array_map(static fn (int $i): array => range($i, $i + 63), range(1, 100));
            ini_set('precision', '5');
            if (str_starts_with($user, 'leak')) {
                Tables::$seen[] = $user;
            }
            return null;
        };",
    );
    run(launch, async |server| {
        let counted = async || server.metric("supercharger_drift_total{kind=\"ini\",pool=\"default\"}").await;
        users(server, "tables", 250).await;
        let first = counted().await;
        users(server, "tables", 750).await;
        let later = counted().await - first;
        assert!(first > 200.0, "the first looks are given: {first}");
        assert!(later < 375.0, "a look at {later} of 750 requests");
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !found(server).iter().any(|record| record["what"] == "Leaks\\Tables\\Tables::$seen") {
            assert!(std::time::Instant::now() < deadline, "the leak is not found");
            server.get("/tables?user=leak").await.ok();
        }
    });
}

fn limits(server: &Server) -> Vec<Value> {
    let all = server.log();
    let records = all.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter(|record| record["event"] == "drift.limited").collect()
}

async fn is_found(server: &Server, what: &str) {
    let told = || found(server).into_iter().find(|record| record["what"] == what);
    until(Duration::from_secs(10), "the leak is found", told).await;
}

/// Who has too many objects to follow is told so, once; they are followed again when there are less.
#[test]
fn too_many_objects_are_told() {
    let launch = leaking().admin();
    launch.dir().write(
        "app/patterns/large.php",
        "<?php
        namespace Leaks\\Large;
        final class Part { public array $numbers; public function __construct() { $this->numbers = range(1, 4000); } }
        final class Kept { public array $seen = []; }
        final class Large { public static array $parts = []; public static ?Kept $kept = null; }
        return static function (string $user): mixed {
            Large::$kept ??= new Kept();
            Large::$parts = [] === Large::$parts ? array_map(static fn (): Part => new Part(), range(1, 60)) : [];
            Large::$kept->seen[] = $user;
            return null;
        };",
    );
    run(launch, async |server| {
        // Every other request has too many.
        users(server, "large", 12).await;
        is_found(server, "Leaks\\Large\\Kept->seen").await;
        let said = limits(server);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!((&said[0]["what"], &said[0]["limit"]), (&"objects".into(), &200_000.into()), "{said:?}");
        assert_eq!(said[0]["level"], "warn", "{said:?}");
        assert_eq!(server.admin_json("/workers").await["workers"][0]["drift_limit"], "objects");
    });
}

/// The same of statics; they hide no objects.
#[test]
fn too_many_statics_are_told() {
    let launch = leaking().admin();
    launch.dir().write(
        "app/patterns/nested.php",
        "<?php
        namespace Leaks\\Nested;
        final class Kept { public array $seen = []; }
        final class Nested { public static ?Kept $kept = null; public static array $all = []; }
        return static function (string $user): mixed {
            Nested::$kept ??= new Kept();
            $some = static fn (callable $make): array => array_map($make, range(1, 64));
            Nested::$all = Nested::$all ?: $some(static fn (): array => $some(static fn (): array => range(1, 64)));
            Nested::$kept->seen[] = $user;
            return null;
        };",
    );
    run(launch, async |server| {
        users(server, "nested", 8).await;
        is_found(server, "Leaks\\Nested\\Kept->seen").await;
        let said = limits(server);
        assert_eq!((said.len(), &said[0]["what"]), (1, &"statics".into()), "{said:?}");
        assert_eq!(server.admin_json("/workers").await["workers"][0]["drift_limit"], "statics");
    });
}

/// The demo application, all pages many times: nobody has anything to read.
fn demo_is_clean(series: Series) {
    let launch = symfony::launch(series, Mode::Worker).workers(1);
    run_within(Duration::from_secs(120), launch.expect_error("deliberate failure").admin(), async |server| {
        for round in 0..12 {
            for path in ["/", "/notes", "/counter", "/upload", "/stream", "/api/notes", "/fail"] {
                server.get(path).await;
            }
            server.get(&format!("/no-such-page-{}", round % 3)).await.expect(404);
            let kind = [("content-type", "application/json")];
            let note = format!("{{\"text\": \"note {round}\"}}");
            server.send("POST", "/api/notes", &kind, note).await.expect(201);
        }
        // Not even a note of what Symfony changes with each request and the engine puts back.
        assert!(found(server).is_empty(), "{:?}", found(server));
        // Somebody has looked.
        assert!(server.metric("supercharger_drift_total{kind=\"ini\",pool=\"default\"}").await > 50.0);
    });
}

#[test]
fn the_demo_application_is_clean() {
    demo_is_clean(Series::V7_4);
}

#[test]
fn the_demo_application_is_clean_with_symfony_6_4() {
    demo_is_clean(Series::V6_4);
}

#[test]
fn the_demo_application_is_clean_with_symfony_8_1() {
    demo_is_clean(Series::V8_1);
}
