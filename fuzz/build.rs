//! Links libphp as the executable does: with the arguments that supercharger's own build script has found.

use std::env;

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_PHP_LINK_ARGS");
    let args = env::var("DEP_PHP_LINK_ARGS").expect("supercharger's build script states its link arguments");
    for arg in args.split('\u{1f}') {
        println!("cargo:rustc-link-arg={arg}");
    }
}
