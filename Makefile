# Each target makes the virtual environment that it needs; nothing has to be active.
#
#   make demo    three cities federating on this computer, with their portals
#   make test    the tests                          make test ARGS="-k tidy"
#   make check   format, lint, types, layers, and the rules of the protocol
#   make format  what `make check` would complain of and a program can mend
#   make proto   the generated protobuf modules, after a change under proto/
#   make bench   the measurements that the documents quote
#   make wheel   the wheel, installed elsewhere with the newest dependencies, and tried
#   make lock    constraints.txt anew, after a change of dependencies
#   make clean   remove what the targets above made

PYTHON ?= python3
UV     ?= uv
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS := .[node,demo]
GROUPS := $(VENV)/.node $(VENV)/.test $(VENV)/.check

.PHONY: demo test check format proto bench wheel lock clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

demo: $(VENV)/.node
	$(BIN)/shahrdad demo

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.check
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(if $(wildcard proto/released.binpb),$(BIN)/buf breaking --against proto/released.binpb)

format: $(VENV)/.check
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/buf format --write

proto: $(VENV)/.check
	$(BIN)/buf format --write
	$(BIN)/python tools/generate_proto.py

bench: $(VENV)/.test
	$(BIN)/python tools/bench.py

wheel: $(VENV)/.test
	rm -rf dist .venv-wheel
	$(BIN)/python -m hatchling build
	$(PYTHON) -m venv .venv-wheel
	@$(call install,.venv-wheel,pytest "$$(ls dist/*.whl)[node]")
	cd dist && ../.venv-wheel/bin/python -m pytest --noconftest -c /dev/null --import-mode=importlib \
	  -p no:cacheprovider ../tests/test_wheel.py

lock: $(VENV)/.made
	$(BIN)/uv pip compile --quiet --universal --upgrade --strip-extras --no-annotate --no-header \
	  --extra node --extra demo --group check --python-version 3.11 --output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) .venv-wheel dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# --- The virtual environment --------------------------------------------------------------

# Trust the authorities that the system trusts, as pip does.
export UV_SYSTEM_CERTS := true

# Install into environment $(1) the requirements $(2): with uv, or else with pip.
install = { test -n "$(UV)" && $(BIN)/uv pip install --quiet --python $(1)/bin/python $(2); } \
  || { $(1)/bin/python -m pip install --quiet --upgrade "pip>=25.1" \
       && $(1)/bin/python -m pip install --quiet $(2); }

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Shahrdad needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@test -z "$(UV)" || $(BIN)/python -m pip install --quiet $(UV) || echo "uv is not to be had; pip will do"
	@touch $@

$(GROUPS): $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing into $(VENV) what $(@F) needs"
	@$(call install,$(VENV),--constraint constraints.txt --editable '$(EXTRAS)' $(if $(filter-out .node,$(@F)),--group $(patsubst .%,%,$(@F))))
	@touch $@
