# All commands for work on this repository. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help setup lint unit molecule test demo demo-down preview bench bench-peers dist docs clean

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible/ansible.cfg
export MOLECULE_GLOB := tests/molecule/*/molecule.yml
export DEMO_PORT ?= 8443
export CONTAINER_ENGINE ?= podman
# The engine's settings for the test bed. The machine's own settings do not change.
export CONTAINERS_CONF := $(CURDIR)/.bed/containers.conf

# The scenarios of tests/molecule to run; all by default.
SCENARIOS ?=

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.venv/.complete: pyproject.toml scripts/dev/venv.sh
	@scripts/dev/packages.sh
	scripts/dev/venv.sh

setup: .venv/.complete ## Install what the other commands need
	@scripts/dev/packages.sh

lint: .venv/.complete ## Every static check
	@scripts/dev/lint.sh

unit: .venv/.complete ## The tests that need no host
	@mkdir -p .bed/results
	pytest --numprocesses=auto --junitxml=.bed/results/unit.xml

molecule: setup ## Every role and the whole service, on the test bed (SCENARIOS="default web_proxy" for some)
	@mkdir -p .bed/results
	rm -f .bed/ansible.log
	scripts/dev/scenarios.sh $(SCENARIOS)

test: setup ## All of it, as continuous integration runs it
	@scripts/dev/test.sh

demo: setup ## The whole service on this machine, and a notebook in your browser
	@scripts/dev/demo.sh

demo-down: ## End the demo; the images stay for the next one
	@if command -v "$(CONTAINER_ENGINE)" >/dev/null; then scripts/dev/bed.sh down; fi

preview: .venv/.complete ## Every page that users see, with sample data, in your browser
	@python scripts/dev/preview_pages.py --port "$${PREVIEW_PORT:-8099}"

bench: setup ## Measure: the command's own time; on the running bed, CPU per request, a link's milliseconds, 1,000 links
	@python tests/benchmarks/start_up.py
	python tests/benchmarks/requests_per_cpu.py
	python tests/benchmarks/link_life.py
	# The full run takes five minutes: python tests/benchmarks/many_links.py 10000
	python tests/benchmarks/many_links.py 1000

# The shell counts its own SECONDS, so the program gets them by their value here.
bench-peers: .venv/.complete ## Measure Lightship and other proxies side by side on this machine (ROUNDS=1 LINKS="10 1000" SECONDS=2 for a quick run)
	@tests/benchmarks/peers/setup.sh
	SECONDS="$(SECONDS)" python tests/benchmarks/peers/run.py
	python tests/benchmarks/peers/report.py

dist: ## Build the single-file commands, their manual, completion and batch scripts into dist/
	@python3 scripts/dev/build_zipapps.py
	python3 scripts/dev/write_manual.py
	python3 scripts/dev/write_completion.py
	python3 scripts/dev/write_batch_scripts.py

docs: .venv/.complete ## Write the tables of variables in the roles' READMEs, from their argument specifications
	@python scripts/dev/write_variable_tables.py

clean: ## Remove everything that these commands made, except installed packages
	@if command -v "$(CONTAINER_ENGINE)" >/dev/null; then scripts/dev/bed.sh clean; fi
	rm -rf .venv .bed dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible .benchmarks
	find . -name __pycache__ -prune -exec rm -rf {} +
