# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMPS := .venv/stamps
BENCH_TOKENS := 16,64,128,256,512,1024,2048
# what is installed is compiled when it is imported, and kept
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup build run test checked test-python test-unit test-e2e test-more lint lint-python lint-node format protocol protocol-check vsix wheel webview bench bench-panel models screenshots clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMPS)/python $(STAMPS)/npm $(STAMPS)/model ## everything: .venv, npm workspaces, the embedded model

$(STAMPS)/python: pyproject.toml constraints.txt scripts/setup_python.sh
	@bash scripts/setup_python.sh $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/npm: package.json package-lock.json extension/package.json webview/package.json tests/e2e/package.json
	npm ci --no-audit --no-fund --loglevel=error
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/model: python_backend/lm_transparency/model/embedded.py | $(STAMPS)/python
	$(PYTHON) -m lm_transparency models --prepare
	@mkdir -p $(STAMPS) && touch $@

run: vsix ## open VS Code on samples/ with the embedded model
	node scripts/run.mjs dist/lm-transparency.vsix samples

test: ## lint, types and every test
	@$(MAKE) --no-print-directory -j2 checked
	@$(MAKE) --no-print-directory test-python test-unit test-e2e

# on a fresh clone npm and its linters have the core that pip leaves free
checked: setup lint-python lint-node

test-python: webview ## the backend's tests
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 --dist loadfile

test-unit: setup ## unit tests of extension and webview
	npx vitest run --config vitest.config.ts

test-e2e: setup vsix ## the real VS Code in a real browser
	npm run test -w tests/e2e

test-more: setup vsix ## what CI has no time or quiet for: every break of a link, 20 reloads, copies of a model, themes, live mode by the clock
	LMT_MORE=1 LMT_RELOADS=20 npm run test -w tests/e2e -- remote.test.ts reload.test.ts loading.test.ts themes.test.ts keyboard.test.ts
	LMT_MORE=1 npm run test -w tests/e2e -- live.test.ts

lint: lint-python lint-node ## ruff, pyright, eslint, prettier, tsc

lint-python: protocol-check
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

lint-node: $(STAMPS)/npm
	npm run --silent lint
	npm run --silent typecheck

format: setup protocol ## format and fix everything that can be fixed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	npm run --silent format

protocol: $(STAMPS)/python ## regenerate extension/shared/protocol.ts
	$(PYTHON) scripts/generate_protocol.py

protocol-check: $(STAMPS)/python
	@$(PYTHON) scripts/generate_protocol.py --check

# the page that an export fills in, and what a notebook needs around it, are parts of the Python package
webview: setup
	@npm run --silent build -w webview && cp webview/dist/page.html python_backend/lm_transparency/exports/page.html
	@cp webview/dist/notebook-bridge.js webview/dist/notebook-surroundings.js python_backend/lm_transparency/notebook/

wheel: webview
	@rm -rf dist/wheel && $(PYTHON) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist/wheel .

build: wheel ## compile extension and webview in place
	npm run --silent build -w extension

vsix: build ## dist/lm-transparency.vsix
	npm run --silent package -w extension -- ../dist/lm-transparency.vsix

bench: webview ## time an analysis from 16 to 2048 tokens, and write docs/performance.md
	@rm -rf dist/bench && mkdir -p dist/bench
	$(VENV)/bin/lm-transparency bench --tokens $(BENCH_TOKENS) --clicks-tokens 64,512,2000 --payloads dist/bench --format json -o dist/bench/bench.json
	node tests/benchmarks/rendering.mjs --first-paint dist/bench dist/bench/first-paint.json
	$(PYTHON) scripts/performance.py dist/bench/bench.json dist/bench/first-paint.json
	npx prettier --log-level warn --write docs/performance.md

bench-panel: vsix ## clicks and frames in the panel
	node tests/benchmarks/rendering.mjs
	npx vitest run --config tests/benchmarks/vitest.config.ts

models: setup ## run the conformance test and write docs/models.md
	WRITE_MODELS=1 $(PYTHON) -m pytest -q tests/conformance

screenshots: setup vsix ## retake docs/images from the real window
	npm run screenshots -w tests/e2e

clean: ## remove what was built; keeps .venv and node_modules
	rm -rf dist build extension/dist extension/backend webview/dist
