//! The package `supercharger/runtime` in an application, as Composer would install it: its reset, seen from outside.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::postgres::Postgres;
use crate::support::program::supercharger;
use crate::support::run::{block_on, run_within};
use crate::support::symfony::{Series, launch, with_package};
use crate::support::{Launch, Mode, Server, series, until};

/// The first request of a fresh copy compiles the container.
const LIMIT: Duration = Duration::from_secs(120);

/// Adds classes of the test's own to the demo application; `code` is put into the namespace `App\Controller`.
pub(crate) fn class(launch: &Launch, name: &str, code: &str) {
    let head = "<?php\n\ndeclare(strict_types=1);\n\nnamespace App\\Controller;\n\nuse Symfony\\Component\\HttpFoundation\\JsonResponse;\n\
        use Symfony\\Component\\HttpFoundation\\Request;\nuse Symfony\\Component\\HttpFoundation\\Response;\n\
        use Symfony\\Component\\Routing\\Attribute\\Route;\nuse Symfony\\Contracts\\Service\\ResetInterface;\n\n";
    launch.dir().write(&format!("app/src/Controller/{name}.php"), &format!("{head}{code}\n"));
}

/// With a feed of events, which says what each reset did.
fn with_feed(launch: Launch) -> Launch {
    let path = format!("{:?}", launch.dir().path().join("feed.ndjson").display().to_string());
    launch.config("telemetry.events", &path).keeps_descriptors(10)
}

/// The reports of the resets so far.
fn reports(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("feed.ndjson")).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|record| record["type"] == "runtime.reset")
        .map(|record| record["payload"]["resetReport"].clone())
        .collect()
}

async fn until_reports(server: &Server, count: usize) -> Vec<Value> {
    until(Duration::from_secs(10), &format!("{count} reports"), || {
        let reports = reports(server.dir().path());
        (reports.len() >= count).then_some(reports)
    })
    .await
}

/// A resetter that takes its time, and a page that says how often it has run.
const SLOW: &str = "final class Slow implements \\Supercharger\\Runtime\\Reset\\ResetterInterface
{
    public int $resets = 0;
    public ?string $user = null;

    public function reset(): void
    {
        usleep(300_000);
        ++$this->resets;
        $this->user = null;
    }

    #[Route('/slow')]
    public function page(Request $request): JsonResponse
    {
        $before = ['resets' => $this->resets, 'user' => $this->user];
        $this->user = $request->query->get('user');

        return new JsonResponse($before);
    }
}";

#[test]
fn the_reset_delays_no_client_and_comes_before_the_next_request() {
    let launch = with_feed(with_package(Series::V7_4, Mode::Worker)).workers(1);
    class(&launch, "Slow", SLOW);
    run_within(LIMIT, launch, async |server| {
        server.get("/slow?user=first").await.ok();
        let mut quickest = Duration::MAX;
        for number in 1..=5 {
            // The worker is busy with the reset before: what is measured is a request that finds it idle.
            until_reports(server, number).await;
            let begun = Instant::now();
            let answer = server.get(&format!("/slow?user=u{number}")).await;
            quickest = quickest.min(begun.elapsed());
            assert_eq!(answer.ok().json(), json!({"resets": number, "user": null}));
        }
        assert!(quickest < Duration::from_millis(200), "the client has waited for the reset: {quickest:?}");
        // At once behind each other: the next one waits, and never finds what the last one has left.
        let begun = Instant::now();
        for number in 6..=8 {
            assert_eq!(server.json("/slow?user=x").await, json!({"resets": number, "user": null}));
        }
        assert!(
            begun.elapsed() >= Duration::from_millis(600),
            "two resets lie between the three: {:?}",
            begun.elapsed()
        );
    });
}

/// Two services that fail and one that is fine; `reset` says in which state it found them.
const FAILING: &str = "final class Failing implements ResetInterface
{
    public static bool $fails = false;

    public function reset(): void
    {
        if (self::$fails) {
            throw new \\DomainException('it fails');
        }
    }
}";

const KEEPING: &str = "final class Keeping implements ResetInterface
{
    public function __construct(public readonly Failing $failing)
    {
    }

    public function reset(): void
    {
        file_put_contents((string) getenv('MARKS').'/kept', \"reset\\n\", \\FILE_APPEND);
    }

    #[Route('/keep')]
    public function page(Request $request): JsonResponse
    {
        Failing::$fails = $request->query->has('fail');

        return new JsonResponse(supercharger_worker()['incarnation']);
    }
}";

fn failing(launch: Launch) -> Launch {
    class(&launch, "Failing", FAILING);
    class(&launch, "Keeping", KEEPING);
    let marks = launch.dir().marks().display().to_string();
    with_feed(launch).workers(1).env("MARKS", &marks).expect_error("reset.error").expect_error("reset_failed")
}

/// One service fails, the others are reset all the same, and its name is told; the worker is replaced.
async fn isolated(server: &Server, exact: bool) {
    assert_eq!(server.json("/keep").await, 1);
    assert_eq!(server.json("/keep?fail=1").await, 1);
    assert_eq!(server.json("/keep").await, 2, "a new worker");
    let reports = until_reports(server, 3).await;
    assert_eq!(reports[0]["errorCount"], 0, "{reports:?}");
    assert_eq!(reports[1]["error"], json!(["DomainException: it fails"]), "{reports:?}");
    assert_eq!(reports[1]["failed"], json!(["App\\Controller\\Failing"]), "{reports:?}");
    if exact {
        let count = reports[0]["resetCount"].as_u64().expect("a number");
        assert!(count >= 4, "each service is counted: {reports:?}");
        assert_eq!(reports[1]["resetCount"], count, "a failure ends nothing: {reports:?}");
    }
    assert!(server.dir().lines("kept") >= 3, "it has been reset after each request, also beside a failure");
    let line = server.wait_for_log("reset.error").await;
    assert!(line.contains("App\\\\Controller\\\\Failing") && line.contains("DomainException"), "{line}");
}

mod a_failing_service_keeps_no_other_from_its_reset {
    use super::*;

    fn with(series: Series) {
        run_within(LIMIT, failing(with_package(series, Mode::Worker)), async |server| isolated(server, true).await);
    }

    series!(with: v6_4, v8_1);

    /// Symfony 6.4 stops at the first failure; the runtime that the executable carries does not.
    #[test]
    fn v6_4_without_the_package() {
        run_within(LIMIT, failing(launch(Series::V6_4, Mode::Worker)), async |server| isolated(server, false).await);
    }
}

/// The manager as the container of an application without DoctrineBundle has it, not lazy; its own reset is left out.
const PLAIN_MANAGER: &str = "services:
    Doctrine\\ORM\\EntityManagerInterface:
        class: Doctrine\\ORM\\EntityManager
        factory: ['@App\\Doctrine\\EntityManagerFactory', 'create']
        arguments: ['@Doctrine\\DBAL\\Connection']
    app.postgres:
        class: Doctrine\\DBAL\\Connection
        factory: ['App\\Controller\\DatabaseController', 'connect']
        arguments: ['%env(PG_URL)%']
    App\\Controller\\DatabaseController:
        arguments: ['@Doctrine\\ORM\\EntityManagerInterface', '@app.postgres']
        tags: ['controller.service_arguments']
parameters:
    env(PG_URL): 'postgresql://nobody@127.0.0.1/none'
";

const DATABASE: &str = "use Doctrine\\DBAL\\Connection;
use Doctrine\\DBAL\\DriverManager;
use Doctrine\\DBAL\\Tools\\DsnParser;
use Doctrine\\ORM\\EntityManagerInterface;
use App\\Entity\\Note;

final readonly class DatabaseController
{
    public function __construct(private EntityManagerInterface $manager, private Connection $postgres)
    {
    }

    public static function connect(string $url): Connection
    {
        return DriverManager::getConnection((new DsnParser(['postgresql' => 'pdo_pgsql']))->parse($url));
    }

    #[Route('/db/{what}')]
    public function page(string $what): JsonResponse
    {
        $note = fn (): ?Note => $this->manager->find(Note::class, 1);

        return new JsonResponse(match ($what) {
            'make' => (function (): int {
                $this->manager->persist(new Note('old'));
                $this->manager->flush();

                return 1;
            })(),
            'read' => $note()?->text(),
            'begin' => (function (): bool {
                $this->manager->getConnection()->beginTransaction();
                $this->manager->getConnection()->executeStatement(\"UPDATE note SET text = 'half'\");

                return $this->manager->getConnection()->isTransactionActive();
            })(),
            'active' => $this->manager->getConnection()->isTransactionActive(),
            'close' => (function (): bool {
                $this->manager->close();

                return $this->manager->isOpen();
            })(),
            'open' => $this->manager->isOpen(),
            'backend' => $this->postgres->fetchOne('SELECT pg_backend_pid()'),
            'hold' => (function (): int {
                $this->postgres->beginTransaction();

                return (int) $this->postgres->executeStatement(\"UPDATE item SET name = 'half'\");
            })(),
        });
    }
}";

fn with_doctrine(series: Series) -> Launch {
    let launch = with_package(series, Mode::Worker);
    launch.dir().write("app/config/services_prod.yaml", PLAIN_MANAGER);
    class(&launch, "DatabaseController", DATABASE);
    launch
}

mod doctrine_is_as_the_next_request_should_find_it {
    use super::*;

    fn with(series: Series) {
        run_within(LIMIT, with_doctrine(series).workers(1), async |server| found(server).await);
    }

    async fn found(server: &Server) {
        assert_eq!(server.json("/db/make").await, 1);
        assert_eq!(server.json("/db/read").await, "old");
        outside(server, "UPDATE note SET text = 'new'");
        assert_eq!(server.json("/db/read").await, "new", "an outside change is seen");

        assert_eq!(server.json("/db/begin").await, true);
        assert_eq!(server.json("/db/active").await, false, "rolled back");
        assert_eq!(server.json("/db/read").await, "new");
        outside(server, "UPDATE note SET text = 'newer'");
        assert_eq!(server.json("/db/read").await, "newer", "and no lock is left");

        assert_eq!(server.json("/db/close").await, false);
        assert_eq!(server.json("/db/open").await, true, "usable again");
        assert_eq!(server.json("/db/make").await, 1);
        assert_eq!(server.json("/api/kernel").await["worker"]["incarnation"], 1, "and none of it costs a worker");
        let told = server.wait_for_log("transaction: ").await;
        assert!(told.contains("\"drift.found\"") && told.contains("\"route\":\"/db/{what}\""), "{told}");
    }

    series!(with: v6_4, v7_4, v8_1);
}

/// Another process changes the demo's database.
fn outside(server: &Server, sql: &str) {
    let file = server.dir().app().join("var/data.db").display().to_string();
    let code = format!("$d = new PDO('sqlite:{file}'); $d->exec('PRAGMA busy_timeout = 5000'); $d->exec(\"{sql}\");");
    supercharger(server.dir(), &["php-cli", "-r", &code], Duration::from_secs(20)).expect(0, &[]);
}

/// With the Doctrine of Symfony 6.4 and that of the later ones.
mod connections_stay_and_a_restart_of_the_database_is_survived {
    use super::*;

    fn with(series: Series) {
        block_on(LIMIT, async {
            let mut postgres = Postgres::start().await;
            postgres.query("CREATE TABLE item (name text); INSERT INTO item VALUES ('whole')");
            let launch = with_doctrine(series).workers(2).env("PG_URL", &postgres.url());
            let server = launch.start().await;
            survives(&server, &mut postgres).await;
            server.finish().await;
        });
    }

    series!(with: v6_4, v7_4);
}

async fn survives(server: &Server, postgres: &mut Postgres) {
    let clients =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let mut pids = std::collections::BTreeSet::new();
    for _ in 0..20 {
        pids.insert(server.json("/db/backend").await.as_i64());
    }
    assert!(pids.len() <= 2, "a connection for each worker that was asked: {pids:?}");
    assert_eq!(postgres.query(clients), pids.len().to_string(), "and none besides");

    assert_eq!(server.json("/db/hold").await, 1);
    until(Duration::from_secs(10), "the row is free", || {
        (postgres.query("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == "0")
            .then_some(())
    })
    .await;
    assert_eq!(postgres.query("SELECT name FROM item"), "whole");

    postgres.stop().await;
    postgres.start_again().await;
    // The pause after which a worker asks first; a server that is quicker than that can fail one request of each worker.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..10 {
        let pid = server.json("/db/backend").await.as_i64();
        assert!(!pids.contains(&pid), "a connection to the server as it is now");
    }
    assert!(postgres.query(clients).parse::<usize>().is_ok_and(|count| count <= 2), "none is left over");
}

const ORDERS: &str = "final readonly class Orders
{
    public function __construct(private \\Psr\\Log\\LoggerInterface $log)
    {
    }

    #[Route('/orders/{id}', name: 'order')]
    public function page(string $id): JsonResponse
    {
        $this->log->warning('an order');

        return new JsonResponse($id);
    }
}";

/// The template of the route stands in the server's records, the request and its worker in those of the application.
#[test]
fn the_logs_of_server_and_application_know_of_each_other() {
    let launch = with_package(Series::V7_4, Mode::Worker).workers(1).config("log.access", "\"json\"");
    class(&launch, "Orders", ORDERS);
    run_within(LIMIT, launch, async |server| {
        let answer = server.get("/orders/4711").await;
        let id = answer.ok().header("x-request-id").expect("an id").to_owned();
        let line = server.wait_for_log("an order").await;
        let own = [
            format!("\"request_id\":\"{id}\""),
            "\"incarnation\":1".into(),
            "\"slot\":0".into(),
            "\"route\":\"order\"".into(),
        ];
        assert!(own.iter().all(|word| line.contains(word)), "{own:?} in {line}");
        let line = server.wait_for_log("\"path\":\"/orders/4711\"").await;
        assert!(line.contains(&id) && line.contains("\"route\":\"/orders/{id}\""), "{line}");
    });
}
