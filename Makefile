# make demo   sets up, runs the whole chain on the embedded demo cohort, shows the result
# make test   sets up, checks style and types, runs all tests
SHELL := /bin/bash
VENV ?= $(CURDIR)/.venv
CORES ?= $(shell nproc 2> /dev/null || echo 2)
TORCH ?= auto
TORCH_INDEX ?=
PYTHON ?= python3
CONFIG ?= config/config.yaml
STUDY = $(shell sed -n 's/^study: *//p' $(CONFIG))
PYTEST_ARGS ?=
ESTIMATE_ARGS ?=
# One GPU each for network folds where there are some; no limit where there is none.
GPUS := $(shell nvidia-smi -L 2> /dev/null | grep -c GPU)
RUN = snakemake --profile workflow/profiles/local --cores $(CORES) --configfile $(CONFIG) $(if $(filter-out 0,$(GPUS)),--resources gpu=$(GPUS))
export PATH := $(VENV)/bin:$(PATH)
export PYTHONNOUSERSITE := 1

.PHONY: help setup demo run estimate test lint types check-workflow tests docs nightly coverage format schema reference lock validators audit clean-demo
# make help   this list
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# make setup   installs the locked environment into .venv, once
setup:
	@TORCH=$(TORCH) TORCH_INDEX=$(TORCH_INDEX) PYTHON=$(PYTHON) envs/setup.sh $(VENV)

demo: setup run

# make run CONFIG=config/studies/mine.yaml   the same for a study of your own
run: setup
	@$(RUN)
	@$(RUN) --report results/$(STUDY)/report/report.html --quiet all
	@gendmr report table --results results/$(STUDY)

# make estimate CONFIG=config/studies/mine.yaml   what a run would cost: hours, memory, disk; nothing runs
estimate: setup
	@gendmr estimate --configfile $(CONFIG) --cores $(CORES) --gpus $(GPUS) $(ESTIMATE_ARGS)

test: setup lint types check-workflow tests

# make lint   checks the style of Python and rules
lint:
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow

# make types   checks types
types:
	mypy

# Snakemake's own lint exits 0 when it has nothing to say.
# make check-workflow   checks the rules with Snakemake's lint
check-workflow:
	snakemake --lint

# make tests   the tests alone
tests:
	pytest -n $(CORES) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# make docs   builds the documentation as a site, build/site/index.html; a link that leads nowhere ends it
docs: setup
	@NO_MKDOCS_2_WARNING=1 mkdocs build
	@echo "$(CURDIR)/build/site/index.html"

# make nightly   the tests with ten times as many random inputs, and with all real scans in each preset
nightly:
	HYPOTHESIS_PROFILE=nightly $(MAKE) tests

# make coverage   the tests while lines and branches are counted; fails below the floor of pyproject.toml
coverage:
	coverage erase
	coverage run -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
	coverage combine --quiet
	coverage report

# make format   rewrites Python and rules in the house's form
format:
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

# make reference   writes the generated part of docs/reference/files.md anew
reference:
	@python -m gendmr reference docs/reference/files.md

# make schema   writes the JSON schema of the configuration anew
schema:
	@python -m gendmr schema > workflow/schemas/study.schema.json.tmp
	@mv workflow/schemas/study.schema.json.tmp workflow/schemas/study.schema.json

# make lock   resolves envs/requirements.in anew into envs/requirements.lock
lock:
	envs/lock.sh

# make validators   installs the validators of exported formats, which tests use where they are there
validators: setup
	@envs/validators.sh $(VENV)

# make audit   looks up the locked packages in the list of known vulnerabilities
audit:
	@$(PYTHON) envs/audit.py $(VENV)/audit $(AUDIT)

# make clean-demo   removes the results and logs of the demo study
clean-demo:
	rm -rf results/demo logs/demo
