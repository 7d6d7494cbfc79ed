//! Many at once: what holds for one request must hold for a crowd.

use tokio::task::JoinSet;

/// How many requests are sent at once unless a test needs another number.
pub(crate) const CROWD: usize = 24;

/// Runs `count` futures side by side; the first panic of one is the test's.
pub(crate) async fn at_once<F>(count: usize, make: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(make(number));
    }
    while let Some(result) = tasks.join_next().await {
        if let Err(error) = result {
            match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
