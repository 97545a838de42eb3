# Two commands matter: `make run` and `make test`. `make help` lists the rest.
#
# One selection of crates, targets and profile everywhere: another one would unify
# features anew and compile RocksDB (half an hour of one core) a second time.
FLAGS := --release --workspace --all-targets --locked
TARGET := $(or $(CARGO_TARGET_DIR),target)
PLUGIN_FLAGS := --manifest-path plugins/Cargo.toml --target-dir "$(TARGET)/plugins-native" --release --workspace --locked
# Where libclang was unpacked without root, its place is written here.
ENV := .tools/libclang/env
WITH_ENV := if [ -f $(ENV) ]; then . ./$(ENV); fi;
# Duplicates are warnings and there are many; what stops a change is an error.
DENY := PATH="$(CURDIR)/.tools/bin:$$PATH" cargo deny --log-level error --locked
ARGS ?=

.PHONY: help run test ci prepare build plugins browser fmt lint deny bench guests interop advisories clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: build plugins ## install what is missing, build, run the main job on the sample logs, stay up
	@"$(TARGET)/release/cairnlog" demo $(ARGS)

test: build plugins browser ## install what is missing, build, run every test
	@$(WITH_ENV) cargo test $(FLAGS)
	@$(WITH_ENV) cargo test $(PLUGIN_FLAGS)

ci: prepare fmt lint deny test ## what continuous integration runs

prepare: ## install what is missing: libclang for RocksDB's bindings, the wasm32 target, SoftHSM for tests
	@scripts/install-libclang.sh
	@scripts/install-wasm-target.sh
	@scripts/install-softhsm.sh || echo "prepare: without SoftHSM, so the tests of PKCS#11 tokens are skipped"

build: prepare ## build the server, the tools and the tests
	@echo "building Cairnlog (a first build takes about 25 minutes on two cores: RocksDB and wasmtime)"
	@$(WITH_ENV) cargo build $(FLAGS)

plugins: build ## build the plugins from source to components in target/plugins
	@COMPONENTIZE="$(TARGET)/release/cairnlog-componentize" scripts/build-plugins.sh

browser: prepare ## build the page that checks disclosures and receipts, target/browser/verify.html
	@scripts/build-browser.sh

fmt:
	@cargo fmt --all --check
	@cargo fmt --manifest-path plugins/Cargo.toml --all --check
	@cargo fmt --manifest-path fuzz/Cargo.toml --check

lint:
	@$(WITH_ENV) cargo clippy $(FLAGS) -- -D warnings
	@cargo clippy $(PLUGIN_FLAGS) --all-targets -- -D warnings

deny:
	@scripts/install-cargo-deny.sh
	@$(DENY) check bans licenses sources
	@$(DENY) --manifest-path plugins/Cargo.toml --config deny.toml check bans licenses sources

bench: build plugins ## measure, and write the tables of docs/performance.md
	@scripts/build-tessera.sh || echo "bench: without Tessera's POSIX log beside us"
	@cargo build --manifest-path plugins/Cargo.toml --target-dir "$(TARGET)/plugins-native" --profile component --locked -p aws-cloudtrail --example native
	@"$(TARGET)/release/cairnlog-bench" --native "$(TARGET)/plugins-native/component/examples/native" $$(ls target/interop/bin/posix target/interop/bin/posix-5ms 2>/dev/null | sed 's/^/--peer /') $(ARGS)

guests: build ## plugins in every language and the SDKs' own tests, where npm, python3 and clang are there
	@CAIRNLOG="$(TARGET)/release/cairnlog" scripts/guests.sh

interop: build plugins ## Tessera's own fsck, hammer and integration test against our server, where Go is there
	@CAIRNLOG="$(TARGET)/release/cairnlog" scripts/interop.sh

advisories: ## check dependencies against the RustSec database (needs GitHub)
	@scripts/install-cargo-deny.sh
	@$(DENY) check advisories

clean: ## remove everything built, the data of the demo included
	@rm -rf target data
