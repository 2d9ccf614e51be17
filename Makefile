# Every target sets up .venv by itself, once, from the pinned versions in constraints.txt.
#   make repro    run the whole pipeline and say how things stand; what is up to date is not run again
#   make test     run the tests
#   make test-slow  the tests of whole pipelines and of faults, which take longest
#   make report   bring the report up to date and say where it is
#   make published  the paper's tables on its published curves (MLPF_HPO_REFERENCE_DIR: their folder), minutes
#   make reference  what MLPF learns in a longer training: trained, judged, registered as mlpf@champion
#   make live-search  every scheduler on eight streams of configurations, compared in pairs; about an hour
#   make ui       serve the MLflow user interface on this machine and print links into it (PORT=5000)
#   make docs     build the site of docs/, with links, examples and spelling checked, and say where it is
#   make images   make the screenshots of docs/ui.md again
#   make reliability  inject the faults again and write docs/reliability.md
#   make container   build the image of the benchmark without a registry, run it, check it: containers/check.sh
#   make performance  measure how fast training is, on a quiet machine, and write docs/performance.md
#   make lint     style, types and import floors

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
KERNELS := $(VENV)/.kernels
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null && $$p -c '$(FITS)' && echo $$p && break; done)
# Stages call `python` and must meet the one with the pinned versions. Everything runs as a module, and so from this
# folder: the scripts in a .venv that was copied or moved lead to where it was. Nothing here phones anybody.
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export RAY_USAGE_STATS_ENABLED := 0
PORT ?= 5000

# Only one make at a time may change a checkout: a second one says who is at work, and waits. The kernel ends the
# lock with its holder, `dvc` in the case of `repro`; who has only just got it may not have written its name yet.
LOCK := .state/make.lock
alone = mkdir -p $(dir $(LOCK)) && exec 9>>$(LOCK) \
	&& { flock --nonblock 9 || { [ -s $(LOCK) ] || sleep 1; echo "Waiting for $$(cat $(LOCK)) to end ..." >&2; flock 9; }; } \
	&& echo "make $(MAKECMDGOALS) (PID $$$$, since $$(date '+%F %T'))" > $(LOCK)

.PHONY: help repro test test-slow reliability performance report published reference live-search ui docs images container lint setup install-pinned clean

help:
	@sed -n 's/^#   //p' Makefile

# An unpacked source archive has no git: DVC must not look for one.
setup: $(STAMP) $(KERNELS)
	@test -e .git || python -m dvc config --local core.no_scm true

# Another make may have installed it while this one waited.
$(STAMP): pyproject.toml constraints.txt
	@$(alone) && { [[ $@ -nt pyproject.toml && $@ -nt constraints.txt ]] || $(MAKE) --no-print-directory install-pinned; }

# The C kernels of a training step. Without a compiler trainings go without, and it is tried again the next time.
$(KERNELS): $(STAMP) $(wildcard mlpf_hpo/mlpf/native/*.[ch]) mlpf_hpo/mlpf/native/build.py
	@python mlpf_hpo/mlpf/native/build.py $(KERNELS)

# What pip is at in these minutes, where there is no terminal for its own progress.
export PROGRESS := /^Collecting /{ if (++n % 50 == 0) { print "     " n " found"; fflush() } } \
	/^Installing collected/{ print "3/3  installing " NF - 3 " packages"; fflush() }

install-pinned:
	@"$(or $(PYTHON),false)" -c '$(FITS)' 2>/dev/null || { echo "Python 3.11, 3.12 or 3.13 is needed, with its venv module" \
		"(Debian: apt-get install python3 python3-venv), or make PYTHON=...;" \
		"found: $$("$(or $(PYTHON),python3)" --version 2>/dev/null || echo none)" >&2; exit 1; }
	@echo "Setting up $(VENV) with $$("$(PYTHON)" --version) (once, a few minutes) ..."
	@echo "1/3  making the environment"
	@"$(PYTHON)" -m venv $(VENV) || { echo "python venv failed: install the venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "2/3  finding and downloading $$(grep -c == constraints.txt) packages, those of constraints.txt"
	@set -o pipefail; pip() { ./$(VENV)/bin/python -m pip install --disable-pip-version-check \
		-c constraints.txt -e '.[generate,root,hepmc,onnx,dev,docs]' "$$@" 2> $(VENV)/pip.log; }; \
		if [ -t 1 ]; then pip; else pip --progress-bar off | awk "$$PROGRESS"; fi \
		|| { cat $(VENV)/pip.log >&2; exit 1; }
	@touch $(STAMP)

repro: setup
	@$(alone) && exec python -m dvc repro
	@python -m mlpf_hpo.cli status

report: setup
	@$(alone) && exec python -m dvc repro --quiet report
	@python -c 'from pathlib import Path; print("report:", Path("report/index.html").resolve().as_uri())'

published: setup
	@$(alone) && export MLPF_HPO_REFERENCE_DIR=$${MLPF_HPO_REFERENCE_DIR:+$$(realpath -- "$$MLPF_HPO_REFERENCE_DIR")} \
		&& exec python -m dvc repro studies/published/dvc.yaml

reference: setup
	@$(alone) && exec python -m dvc repro studies/reference_training/dvc.yaml

live-search: setup
	@$(alone) && exec python -m dvc repro studies/live_search/laptop/dvc.yaml

# As many processes as processors; tests/conftest.py says which tests stay together.
# Each with one thread of arithmetic: threads of several would only wait for each other.
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n logical

test: setup
	@$(PYTEST) -m "not pipeline and not faults" $(PYTEST_ARGS)

test-slow: setup
	@$(PYTEST) -m "pipeline or faults" $(PYTEST_ARGS)

reliability: setup
	@$(PYTEST) tests/faults tests/pipeline tests/tuning --reliability docs/reliability.md

container: setup
	@containers/check.sh --local-base

# Whatever else runs meanwhile is in the numbers.
performance: setup
	@python -m benchmarks.training --json docs/performance.json
	@python -m benchmarks.performance docs/performance.json --out docs/performance.md

ui: setup
	@python -m mlpf_hpo.cli ui --port $(PORT)

# A warning is an error: a page, heading, file or name that does not exist.
docs: setup
	@python -m codespell_lib docs README.md CONTRIBUTING.md CHANGELOG.md findings/README.md benchmarks/README.md mlpf_hpo params.yaml
	@python -m sphinx -q -W --keep-going docs build/site
	@python -c 'from pathlib import Path; print("site:", Path("build/site/index.html").resolve().as_uri())'

images: setup
	@MLPF_HPO_SCREENSHOTS=docs/images/ui python -m pytest -q tests/browser

lint: setup
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-logo --no-cache

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
