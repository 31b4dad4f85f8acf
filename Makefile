# Everything one does in a checkout. `make` lists it.
HOST_PACKAGES = git debootstrap systemd-container nftables iproute2 openssh-client gpgv rsync curl procps
# Programs that tests run on this machine.
TEST_PACKAGES = openssl wrk strace systemd nginx-light haproxy redis-server postgresql
UNIT_PACKAGES = git openssl rsync
BIN = .venv/bin

.PHONY: help demo demo-fleet test test-unit test-pythons attack fuzz faults mutants audit lint types wheel bench clean-sandbox clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo:  ## Boot a disposable host (or use HOST=user@host), put the example on it, ask it over HTTP
	@HOST='$(HOST)' sh scripts/demo.sh

demo-fleet:  ## Boot three disposable hosts: two web hosts behind a balancer (root)
	@sh scripts/demo-fleet.sh

# Files in their order: those with hosts take long, those in tests/unit fill what is left at the end.
test:  ## All tests, those on real disposable hosts too (root)
	@[ "$$(id -u)" = 0 ] || { echo "The tests boot hosts, which takes root: sudo make test, or make test-unit" >&2; exit 1; }
	@sh scripts/bootstrap.sh dev $(HOST_PACKAGES) $(TEST_PACKAGES)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test-unit:  ## Tests that need neither root nor hosts; those of programs that are not installed are skipped
	@sh scripts/bootstrap.sh dev $(UNIT_PACKAGES)
	$(BIN)/python -m pytest -n 2 tests/unit

test-pythons:  ## The same with each other Python from 3.10 to 3.14 that this machine has
	@sh scripts/bootstrap.sh dev $(UNIT_PACKAGES)
	@sh scripts/test-pythons.sh

attack:  ## The tests in an attacker's shoes by themselves: an app, a deployer, a visitor, an archive (root)
	@[ "$$(id -u)" = 0 ] || { echo "The tests boot hosts, which takes root: sudo make attack" >&2; exit 1; }
	@sh scripts/bootstrap.sh dev $(HOST_PACKAGES) $(TEST_PACKAGES)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 -m attack

fuzz:  ## Thousands of bad inputs, other ones each time: settings, hosts, files, shells, the wire (ten minutes)
	@sh scripts/bootstrap.sh dev git
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -n 2 tests/unit/test_fuzz_*.py

faults:  ## Every fault at every step on real hosts, of which `make test` tries some (root)
	@[ "$$(id -u)" = 0 ] || { echo "The tests boot hosts, which takes root: sudo make faults" >&2; exit 1; }
	@sh scripts/bootstrap.sh dev $(HOST_PACKAGES) $(TEST_PACKAGES)
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0 -m exhaustive tests/hosts

mutants:  ## Faults put into the code one at a time, which the unit tests must see (hours; SAMPLE=10, ONLY=gate, MINUTES=30)
	@sh scripts/bootstrap.sh dev $(UNIT_PACKAGES)
	@sh scripts/bootstrap.sh mutants
	$(BIN)/python scripts/mutants.py $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(ONLY),--only $(ONLY)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

audit:  ## Known vulnerabilities in the dependencies; a warning where nobody can be asked, an error with STRICT=1
	@sh scripts/bootstrap.sh audit
	$(BIN)/python scripts/audit.py $(if $(STRICT),--strict)

lint:  ## ruff, and import-linter: who may import whom
	@sh scripts/bootstrap.sh dev git
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=. $(BIN)/lint-imports

types:  ## mypy --strict on the library
	@sh scripts/bootstrap.sh dev git
	$(BIN)/mypy

wheel:  ## Build the wheel, and check that it works in an empty virtualenv from an empty folder
	@sh scripts/bootstrap.sh dev git
	sh scripts/check-wheel.sh

bench:  ## What the main jobs cost, beside pyinfra, Ansible, Capistrano and a script (root, hours; QUICK=1: minutes)
	@[ "$$(id -u)" = 0 ] || { echo "The benchmark boots hosts, which takes root: sudo make bench" >&2; exit 1; }
	@sh scripts/bootstrap.sh bench $(HOST_PACKAGES)
	$(BIN)/python -m benchmarks

clean-sandbox:  ## Take away every host, bridge, firewall rule, mount and cache that demo and tests made
	@sh scripts/bootstrap.sh -
	@$(BIN)/python scripts/clean_sandbox.py

clean:  ## Take away what was built
	rm -rf .venv .venv-3.* .mutants build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
