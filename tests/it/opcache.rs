//! OPcache shared by many threads. It is on: see `basics`. Here is what happens when the application empties it.

use tokio::task::JoinSet;

use crate::support::{Connection, Launch, Mode, Protocol, Server, run};

/// 3,200 requests on 8 workers, a fifth of which call `opcache_reset()`: every one is answered.
async fn resets_under_load(server: &Server) {
    let mut clients = JoinSet::new();
    for client in 0..16 {
        let address = server.address();
        clients.spawn(async move {
            let mut connection = Connection::open(address, Protocol::Http1).await;
            for number in 0..200 {
                let path = ["/opcache-reset", "/", "/state", "/opcache", "/echo?us=0"][(client + number) % 5];
                connection.get(path).await.ok();
            }
        });
    }
    while let Some(result) = clients.join_next().await {
        result.expect("a client");
    }
}

#[test]
fn resets_under_load_in_worker_mode() {
    run(Launch::plain(Mode::Worker).workers(8), async |server| resets_under_load(server).await);
}

#[test]
#[ignore = "the process crashes: OPcache restarts are not quiesced yet (issue 4, item 7)"]
fn resets_under_load_in_classic_mode() {
    run(Launch::plain(Mode::Classic).workers(8), async |server| resets_under_load(server).await);
}
