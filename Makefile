# Nexus Gateway. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-test contracts build run test bench fuzz demo sanitize clean

CONFIG  ?= config/development.yaml
SECONDS_PER_FUZZER ?= 60
GATEWAY := .build/release/nexus-gateway

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## the system packages a build needs (apt, Debian/Ubuntu)
	@.ci/packages build

setup-test: ## the same, and what the tests drive the gateway with
	@.ci/packages build test

contracts: setup ## the descriptor set of contracts/**/*.proto, when one of them is newer
	@contracts/compile

build: contracts ## the gateway, optimised
	swift build -c release --product nexus-gateway

run: build ## build, make development certificates and an issuer's key once, start with $(CONFIG)
	@certs/make-development-certificates
	@test -s certs/dev-issuer.jwks || $(GATEWAY) token --sub nobody >/dev/null
	@mkdir -p data
	exec $(GATEWAY) run --config $(CONFIG)

test: setup-test ## every test: unit, then over the wire, faults, conformance
	@.ci/test

bench: setup-test ## CPU per request beside nginx and HAProxy, of MQTT beside mosquitto, and the store alone
	@.ci/bench

fuzz: setup ## every fuzzer for SECONDS_PER_FUZZER (60) seconds
	@Tests/Fuzz/run $(SECONDS_PER_FUZZER)

demo: build ## drive every surface with real clients, and a whole shop, and show what comes back
	@.ci/packages demo
	@.ci/demo

sanitize: setup-test ## unit and wire tests of debug builds under AddressSanitizer, unit tests under ThreadSanitizer
	@.ci/sanitize

clean: ## remove what was built (not data, not certificates)
	rm -rf .build .build-* .venv contracts/*.binpb*
