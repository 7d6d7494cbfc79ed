//! The yardstick: hyper alone, HTTP/1.1, one fixed answer. It shows what the machine and the HTTP layer allow.
//!
//! The answer carries the header fields that the server it is compared with sends, so that both write the same bytes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// What the bare server answers and where.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// Runtime threads.
    #[arg(long, default_value_t = 1)]
    io_threads: u32,
    /// Response body.
    #[arg(long, default_value = "Hello, world")]
    body: String,
    /// A response header field, `Name: value`; may be repeated.
    #[arg(long = "header", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written as `Name: value`")?;
    let name = HeaderName::from_str(name.trim()).map_err(|error| error.to_string())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|error| error.to_string())?;
    Ok((name, value))
}

/// Serves until the process is killed.
pub(crate) fn serve(options: &Options) -> io::Result<()> {
    // The scheduler that supercharger uses, with as many threads: what differs is what stands behind it.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.io_threads as usize)
        .enable_all()
        .build()?
        .block_on(async { tokio::spawn(accept(options.clone())).await.map_err(io::Error::other)? })
}

async fn accept(options: Options) -> io::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let headers: HeaderMap = options.headers.into_iter().collect();
    let body = Bytes::from(options.body);
    loop {
        let (stream, _) = listener.accept().await?;
        // A client that has left already is none of our business.
        let _ = stream.set_nodelay(true);
        let (headers, body) = (headers.clone(), body.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let mut response = Response::new(Full::new(body.clone()));
                *response.headers_mut() = headers.clone();
                async move {
                    // Whoever sends something is to keep its connection.
                    let mut sent = request.into_body();
                    while let Some(Ok(_)) = sent.frame().await {}
                    Ok::<_, Infallible>(response)
                }
            });
            // A connection that the load generator breaks off ends here; nobody needs to know.
            let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}
