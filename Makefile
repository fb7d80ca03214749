# Each target makes the virtual environment that it needs; nothing has to be active.
#
#   make demo    three cities federating on this computer
#   make install the command, as .venv/bin/shahrdad
#   make test    the tests                          make test ARGS="-k tidy"
#   make test-s3 the same tests on a real S3 server (SeaweedFS, from its wheel)
#   make test-go our logs before a verifier in Go, which apt-get installs
#   make test-browser  the pages in Debian's Chromium, which apt-get installs
#   make screenshots   pictures of the pages of a running node: URL=http://…
#   make judge   our answers before programs that others wrote
#   make test-long  fuzzing, million-row tables, many kills: a quarter of an hour or more
#   make check   format, lint, types, layers, and the rules of the protocol
#   make format  what `make check` would complain of and a program can mend
#   make proto   the generated protobuf modules, after a change under proto/
#   make bench   the measurements that the documents quote
#   make bench-validate   our engine beside seven others, which it installs
#   make bench-http       our answers beside nginx, which apt-get installs
#   make soak    ten minutes of readers, publishers and kills
#   make shadow  frictionless' own tests, twice: CHECKOUT=its source
#   make fuzz    twenty minutes of spoilt files
#   make judge-pages  Lighthouse and the Nu checker over a running node: URL=http://…
#   make wheel   the wheel, installed elsewhere with the newest dependencies, and tried
#   make lock    constraints.txt anew, after a change of dependencies
#   make clean   remove what the targets above made

PYTHON ?= python3
UV     ?= uv
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS := .[node,demo]
CODE   := proto datasets validators federation client node
# Three processes for two cores, as some tests wait. A document's examples follow each other,
# so a file stays in one of them; in their order, for else the slowest few come last.
WORKERS ?= --numprocesses 3 --dist loadfile --no-loadscope-reorder
# A change is judged by the same invented values each time; `make test-long` invents others.
SAME   := --hypothesis-profile ci
# Tests sync thousands of small files. In memory, where there is room, that costs nothing.
SCRATCH := $(shell test -w /dev/shm && test "$$(df --output=avail /dev/shm | tail -1)" -gt 4000000 && echo /dev/shm)
GROUPS := $(VENV)/.node $(VENV)/.test $(VENV)/.browser $(VENV)/.check

.PHONY: judge demo install test test-s3 test-go test-browser screenshots test-long check format proto bench wheel lock clean \
  bench-validate bench-http soak shadow fuzz judge-pages test-databases test-radosgw
.DELETE_ON_ERROR:
.NOTPARALLEL:

ifneq ($(SCRATCH),)
test test-s3 test-long test-browser: export TMPDIR = $(SCRATCH)
endif

demo: install
	$(BIN)/shahrdad demo

install: $(VENV)/.node

test: $(VENV)/.test
	$(BIN)/python -m pytest $(WORKERS) $(SAME) $(ARGS)

test-s3: $(VENV)/.test
	SHAHRDAD_STORE=s3 $(BIN)/python -m pytest $(WORKERS) $(SAME) $(ARGS)

test-go: $(VENV)/.test
	command -v go >/dev/null || { apt-get update -q && apt-get install -qy golang-go; }
	test -d /usr/share/gocode/src/golang.org/x/mod || apt-get install -qy golang-golang-x-mod-dev
	$(BIN)/python -m pytest tests/federation/test_go_check.py $(ARGS)

test-radosgw: $(VENV)/.test
	command -v radosgw >/dev/null || { apt-get update -q && apt-get install -qy radosgw ceph-mon ceph-osd; }
	$(BIN)/python tests/radosgw_server.py $(ARGS)

test-databases: $(VENV)/.test
	test -d /usr/lib/postgresql || { apt-get update -q && apt-get install -qy postgresql; }
	command -v mariadbd >/dev/null || { apt-get update -q && apt-get install -qy mariadb-server; }
	$(BIN)/python -m pytest tests/node/test_delivery_sources.py $(ARGS)

test-browser: $(VENV)/.browser
	test -x /usr/bin/chromium || { apt-get update -q && apt-get install -qy chromium; }
	$(BIN)/python -m pytest tests/browser --numprocesses 2 --dist worksteal $(SAME) $(ARGS)

screenshots: $(VENV)/.browser
	$(BIN)/python tools/screenshots.py $(URL) build/screenshots

judge: $(VENV)/.test .venv-judges/.made
	command -v promtool >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends prometheus; }
	$(BIN)/python tools/judge.py $(ARGS)

test-long: $(VENV)/.test
	SHAHRDAD_LONG=1 $(BIN)/python -m pytest $(WORKERS) $(ARGS)

check: $(VENV)/.check
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
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

bench-validate: $(VENV)/.test
	$(BIN)/python tools/bench_validate.py --peers
	$(BIN)/python tools/bench_validate.py --rows 1000000 --rounds 3

bench-http: $(VENV)/.test
	command -v nginx >/dev/null || { apt-get update -q && apt-get install -qy nginx-light; }
	$(BIN)/python tools/bench_http.py

soak: $(VENV)/.test
	$(BIN)/python tools/soak.py --seconds 600

shadow: $(VENV)/.test
	$(BIN)/python tools/shadow.py $(CHECKOUT)

fuzz: $(VENV)/.test
	$(BIN)/python tools/fuzz_validate.py --minutes 20

judge-pages: $(VENV)/.browser
	npm install --prefix build/judges lighthouse@12 vnu-jar
	$(BIN)/python tools/judge_pages.py $(URL) --nu --lighthouse

wheel: $(VENV)/.test
	rm -rf dist .venv-wheel
	$(BIN)/python -m hatchling build
	$(PYTHON) -m venv .venv-wheel
	@$(call install,.venv-wheel,pytest "$$(ls dist/*.whl)[node]")
	cd dist && ../.venv-wheel/bin/python -m pytest --noconftest -c /dev/null --import-mode=importlib \
	  -p no:cacheprovider ../tests/test_wheel.py

lock: $(VENV)/.made
	$(BIN)/uv pip compile --quiet --universal --upgrade --strip-extras --no-annotate --no-header \
	  --extra node --extra demo --group check --group browser --python-version 3.11 --output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) .venv-wheel .venv-peers .venv-judges dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# --- The virtual environment --------------------------------------------------------------

# Trust the authorities that the system trusts, as pip does.
export UV_SYSTEM_CERTS := true
# Python compiles a module once, not at each start: a command answers three times as fast.
unexport PYTHONDONTWRITEBYTECODE

# Install into environment $(1) the requirements $(2): with uv, or else with pip.
install = { test -n "$(UV)" && $(BIN)/uv pip install --quiet --compile-bytecode --python $(1)/bin/python $(2); } \
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
	@$(BIN)/python -m compileall -q -j 0 $(CODE)
	@touch $@

.venv-judges/.made: pyproject.toml
	$(PYTHON) -m venv .venv-judges
	@$(call install,.venv-judges,--group judges)
	@touch $@
