# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PYTHON := $(VENV)/bin/python
# stages side by side, none whose inputs did not change; their logs are in .venv/logs
WITH_NODE := @command -v node >/dev/null || { echo "Node 20 or newer is needed, with npm." >&2; exit 1; };
PREPARE := $(WITH_NODE) node scripts/prepare.mjs
BENCH_TOKENS := 16,64,128,256,512,1024,2048
# what is installed is compiled when it is imported, and kept
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup build run test checked everything test-python test-unit test-panel test-e2e test-more lint lint-python lint-node format house protocol protocol-check vsix wheel webview bench bench-panel faithfulness lenses models screenshots gallery clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## everything: .venv, npm workspaces, the embedded model
	$(PREPARE) setup

run: ## open VS Code on samples/ with the embedded model
	$(PREPARE) run
	@node scripts/run.mjs dist/lm-transparency.vsix samples

test: ## lint, types and every test; the seconds of each stage at the end
	$(WITH_NODE) MAKE="$(MAKE)" node scripts/test.mjs checked test-python test-unit test-panel test-e2e

# on a fresh clone npm and its linters have the core that pip leaves free
checked: lint-node everything lint-python

everything:
	$(PREPARE) setup vsix code-server

test-python: webview ## the backend's tests
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 --dist loadfile

test-unit: setup ## unit tests of extension and webview
	npx vitest run --config vitest.config.ts

test-panel: setup webview ## the panel in a browser, with a real backend
	npx vitest run --config tests/panel/vitest.config.ts

test-e2e: setup vsix ## the real VS Code in a real browser
	npm run test -w tests/e2e

test-more: setup vsix ## what CI has no time or quiet for: every break of a link, the set-up of a remote machine, 20 reloads, copies of a model, all themes, 20,000 prompts in the editor, ten acts in a row on effects, live mode by the clock, a first graph on busy cores, every family of models, 100,000 random inputs of each kind
	LMT_MORE=1 LMT_RELOADS=20 npm run test -w tests/e2e -- remote.test.ts reload.test.ts loading.test.ts themes.test.ts prompts.test.ts effects.test.ts
	LMT_MORE=1 npm run test -w tests/e2e -- live.test.ts
	LMT_MORE=1 npm run test -w tests/e2e -- busy.test.ts
	$(VENV)/bin/python tests/benchmarks/memory.py
	LMT_MORE=1 $(VENV)/bin/python -m pytest -s tests/python/server/test_hostile_files.py tests/python/server/test_hostile_models.py tests/python/batch/test_batch.py tests/conformance
	LMT_FUZZ=100000 $(VENV)/bin/python -m pytest -s --timeout 7200 tests/python/fuzz tests/python/model/test_weight_headers.py

lint: lint-python lint-node ## ruff, pyright, eslint, prettier, tsc

lint-python: protocol-check
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

lint-node:
	$(PREPARE) npm
	npm run --silent lint
	npm run --silent typecheck

format: setup protocol ## format and fix everything that can be fixed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	npm run --silent format

house: ## rooms, floors, circles, arrows back up and the largest files, from the code itself
	@python3 scripts/house.py
	$(PREPARE) npm
	@node scripts/house.mjs

protocol: ## regenerate extension/shared/protocol.ts
	$(PREPARE) python
	$(PYTHON) scripts/generate_protocol.py

protocol-check:
	$(PREPARE) python-tests
	@$(PYTHON) scripts/generate_protocol.py --check

webview wheel: setup
	$(PREPARE) $@

build: ## compile extension and webview in place
	$(PREPARE) extension

vsix: ## dist/lm-transparency.vsix, and its size by part
	$(PREPARE) vsix
	@node extension/package.mjs --sizes dist/lm-transparency.vsix

bench: webview ## time an analysis from 16 to 2048 tokens, and write docs/performance.md
	@rm -rf dist/bench && mkdir -p dist/bench
	$(VENV)/bin/lm-transparency bench --tokens $(BENCH_TOKENS) --clicks-tokens 64,512,2000 --payloads dist/bench --format json -o dist/bench/bench.json
	node tests/benchmarks/rendering.mjs --first-paint dist/bench dist/bench/first-paint.json
	$(PYTHON) scripts/performance.py dist/bench/bench.json dist/bench/first-paint.json
	npx prettier --log-level warn --write docs/performance.md

bench-panel: vsix ## clicks and frames in the panel
	node tests/benchmarks/rendering.mjs
	npx vitest run --config tests/benchmarks/vitest.config.ts

faithfulness: setup ## how well contributions, flow and gradients agree with removals, up to an hour, and write docs/faithfulness.md
	OMP_NUM_THREADS=1 PYTHONPATH=tests/benchmarks:scripts $(PYTHON) -m faithfulness $(ARGS)
	npx prettier --log-level warn --write docs/faithfulness.md

lenses: setup ## fit lenses, measure what they read in the middle layers, hours, and write docs/lenses.md
	PYTHONPATH=tests/benchmarks:scripts $(PYTHON) -m lenses $(ARGS)
	npx prettier --log-level warn --write docs/lenses.md

models: setup ## run the conformance test and write docs/models.md
	WRITE_MODELS=1 $(PYTHON) -m pytest -q tests/conformance

screenshots: setup vsix ## retake docs/images from the real window
	npm run screenshots -w tests/e2e

gallery: setup vsix ## pictures of the real window at every size, length and theme, into tests/e2e/screenshots
	LMT_PICTURES=1 npm run test -w tests/e2e -- gallery.test.ts

clean: ## remove what was built; keeps .venv and node_modules
	rm -rf dist build extension/dist extension/backend webview/dist
