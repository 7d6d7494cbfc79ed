# Entry points. The work is done by scripts/, php-src-pin/ and cargo; `make help` lists what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BINARY := $(CURDIR)/target/release/supercharger
DEMO := examples/symfony
# Which Symfony the demo runs on: 6.4, 7.4 or 8.1.
SYMFONY ?= 7.4
# Where `make serve` listens. LISTEN wins over PORT.
PORT ?= 8080
LISTEN ?= 127.0.0.1:$(PORT)

.PHONY: help
help: ## List the targets
	@echo 'make TARGET [NAME=value]'; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: deps
deps: ## Install what building and testing need (Debian, Ubuntu; root or sudo)
	@scripts/install-deps

.PHONY: php
php: deps ## Build the pinned PHP, once; later runs find it in the cache
	@php-src-pin/build

.PHONY: build
build: php ## Build target/release/supercharger
	@echo '[build] target/release/supercharger' >&2
	@cargo build --release --locked

.PHONY: libraries
libraries: ## Bring the demo's libraries into examples/symfony/vendor (SYMFONY=7.4)
	@scripts/symfony-libraries --symfony $(SYMFONY) $(DEMO)

.PHONY: serve
serve: build libraries ## Start the Symfony demo, from a fresh machine on (PORT=8080 or LISTEN=host:port)
	@cd $(DEMO) && exec $(BINARY) php-server --listen $(LISTEN) --worker public/index.php

.PHONY: test
test: ## Run every test and check, from a fresh machine on (STAGES="unit tidy" for some)
	@scripts/run-tests $(STAGES)

.PHONY: phpt
phpt: build ## Run ext/tests/*.phpt with the command line that the executable carries
	@scripts/run-phpt $(BINARY)

.PHONY: conformance
conformance: build ## Run php-src's own tests under php-cli and under the php of the same source (FOLDERS="tests")
	@scripts/php-conformance $(BINARY) $(FOLDERS)

.PHONY: asan
asan: deps ## Run the integration tests under AddressSanitizer (builds a debug PHP first; FILTER=name of tests)
	@scripts/run-asan $(FILTER)

.PHONY: fuzz
fuzz: deps ## Run the fuzz targets, ten minutes each (FUZZ="--seconds 60 path" for less)
	@scripts/fuzz $(FUZZ)

.PHONY: soak
soak: build ## Run what takes minutes and gigabytes: 1 GiB in either direction, latency beside slow clients
	@cargo test --release --locked --test it -- --ignored --nocapture --test-threads 1 soak::

.PHONY: chaos
chaos: build ## Ten minutes of load with kills, reloads, resets and recycling; no acknowledged write is lost (SECONDS=60 for less)
	@scripts/chaos $(or $(SECONDS),600)

.PHONY: bench
bench: build ## Compare with FrankenPHP, nginx + PHP-FPM, nginx and bare hyper, 20 minutes (BENCH="--rounds 9 --page"); writes bench/results/
	@scripts/install-deps --bench
	@scripts/bench-peers || echo '[bench] going on without the peers that could not be had' >&2
	@scripts/symfony-libraries bench/apps/symfony
	@cargo run --release --locked --manifest-path bench/Cargo.toml -- $(BENCH)

.PHONY: bench-quick
bench-quick: ## The same, one short round of the main rows (BENCH="--only symfony")
	@$(MAKE) bench BENCH="--quick $(BENCH)"

.PHONY: fmt
fmt: ## Format the Rust code
	@cargo fmt
	@cargo fmt --manifest-path bench/Cargo.toml

.PHONY: lint
lint: php ## Check formatting and lints, scripts and documentation
	@scripts/run-tests scripts docs format lint bench-lint

.PHONY: clean
clean: ## Remove what was built here (PHP stays in the cache)
	@cargo clean
	@cargo clean --manifest-path bench/Cargo.toml
