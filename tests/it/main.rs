//! The real executable, driven over real sockets.
//!
//! Each file is one topic; `support` holds what they share. How to run one test, the lanes and the negative controls are
//! described in `tests/README.md`.

#![allow(clippy::print_stderr, reason = "a failed test shows the server's log")]

mod admin;
mod admission;
mod applications;
mod basics;
mod binary;
mod boundary;
mod broken;
mod chaos;
mod checks;
mod classic;
mod client_abort;
mod configuration;
mod connections;
mod control;
mod counts;
mod crash;
mod dashboard;
mod doctor;
mod drift;
mod early_hints;
mod endpoints;
mod faults;
mod feed;
mod front_controllers;
mod gate;
mod guard;
mod http_rules;
mod hybrid;
mod idle_care;
mod isolation;
mod leaks;
mod listeners;
mod logs;
mod metrics;
mod one_request;
mod opcache;
mod ops;
mod package;
mod php_cli;
mod pools;
mod recycle;
mod recycle_reasons;
mod reload;
mod request_bodies;
mod request_head;
mod request_parsing;

mod resetters;
mod response_headers;
mod response_output;
mod scan;
mod sendfile;
mod server_vars;
mod service;
mod sessions;
mod shutdown;
mod slow;
mod slow_clients;
mod smuggling;
mod snapshots;
mod soak;
mod spans;
mod startup;
mod state;
mod static_files;
mod store;
mod streaming;
mod supervisor;
mod support;
mod symfony;
mod timeouts;
mod tiny_memory;
mod tracing;
mod uploads;
mod watch;
mod worker;
