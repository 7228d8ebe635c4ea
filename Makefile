# make demo     show it at work: a broker, 8 workers and 1,000 clients in one process
# make test     run the tests (JOBS=1 for one process at a time)
# make quick    the tests that decide most, on gevent alone, for the inner loop
# make matrix   run the tests on every hub with every CPython from 3.10 on that is installed, and show a table
# make distros  run the tests on several releases of Debian, each in a folder that debootstrap makes, and show a table; for
#               root (DISTROS=sid for one, DISTROS=--help for options)
# make pythons  make test with every CPython from 3.10 on that is installed
# make bench    measure it beside PyZMQ and beside libzmq in C (QUICK=1 for a short run, BENCHMARK for options)
# make pictures draw what make bench measured into docs/pictures, and write the table of docs/guide/tuning.md
# make conformance  run the tests of PyZMQ, and those of eventlet, here and with PyZMQ, and show where the two differ
# make clients  run programs that use PyZMQ, such as Jupyter, with it and with us in its place, and show where they differ
#               (CLIENTS="kernel zerorpc" for some of them, CLIENTS=--help for options)
# make installation  install it beside PyZMQ with pip, uv and poetry, from a wheel and from source, and show what happens
# make wheel    build wheels with a libzmq inside, for every CPython from 3.10 on that is installed, into dist, and try
#               each where there is nothing else (WHEEL="cp311 trixie" for some of that); needs root
# make pyzmq-shim  build the wheel that stands for PyZMQ where greenzmq is installed, into dist
# make release  build what is committed, check it, write checksums and notes into dist, and tag it (RELEASE=--check only
#               tells whether it could)
# make sanitize run the tests with the sanitizers of GCC, and programs with threads too; fail where one reports something
#               (SANITIZE="threads" for a part of it, SANITIZE=--help for options)
# make fuzz     call, connect and parse what is wrong, and shrink what fails to a test (FUZZ="calls --front-end gevent" for
#               a part of it, FUZZ="calls --under-asan", FUZZ=--help for options)
# make soak     have brokers, workers and clients run for half an hour while everything happens to them that can, and fail
#               where something was lost, doubled, missed, grew or held up a hub (SOAK="--minutes 5", SOAK=--help)
# make leaks    open, close, drop, time out and kill sockets some 100,000 times, and fail where anything is left
#               (LEAKS="--front-end gevent --part 100" for some of that, LEAKS=--help)
# make stress-machine  run the tests of what waits ten times beside three busy processes, on one processor, and on a machine
#               that stands still now and then (STRESS_MACHINE="--times 1 --way still --front-end gevent" for some of that)
# make mutants  change the code that waits in 120 small ways, one at a time, and show which of them no test notices
#               (MUTANTS="--count 20 trampoline" for some of that, MUTANTS=--help)
# make schedules  try 10,000 orders of events with each of seven state machines, and fail where something is lost, doubled, or
#               waited for in vain (SCHEDULES="--examples 500 --only streams" for some of that, SCHEDULES=--help)
# make coverage show which lines of the Python, Cython and C code no test runs, and fail where one of zmq/core has no reason
#               (COVERAGE="--front-end gevent" for a part of it, COVERAGE=--help)
# make model    search every state of a model of the wake-up rule, with SPIN
# make docs     build the site of the documentation into .bench/docs/html, and fail where something on it is not in order
# make frameworks  write zmq/eventlet, but for what is written by hand, from zmq/green
# make lint     check the style, the types, the order of the layers and what is written by make frameworks
# make architecture  draw the picture of the layers again, from the imports
# make drawings draw the pictures of the patterns again
# make top-pictures  take the pictures of zmq.top again, with chromium
# make clean    remove what was built
#
# Each target first installs what it needs: libzmq's headers with apt-get, where that is there and they are not, and
# everything else into a virtual environment.

# Every program that a test starts would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV ?= .venv
BENCH ?= .bench
# The release whose API is implemented.
PYZMQ ?= $(shell sed -n 's/^PYZMQ_API = "\(.*\)"/\1/p' zmq/core/version.pyx)
EVENTLET ?= 0.41.3
PYOMQ ?= 0.21.0
JOBS ?= 3

python = $(VENV)/bin/python
sources = setup.py tools/pth_layout.py pyproject.toml $(foreach kind,pyx pxd pxi h,$(wildcard zmq/core/*.$(kind) zmq/core/*/*.$(kind)))
python_sources = $(shell find zmq greenzmq -name '*.py*' -not -name '*.pyc')
# Whether the stubs say of the compiled modules what is true.
stubtest = $(python) -m mypy.stubtest zmq --concise --ignore-disjoint-bases --mypy-config-file pyproject.toml \
    --allowlist tools/stubtest.txt
# What make test runs: everything on threads and the default loop and hub, which are libev-cext and epolls. Those that
# take longest begin first.
everything = $(addprefix test-,core gevent eventlet threads)
on_loops = $(addprefix test-gevent-,libev-cffi libuv-cffi)
on_hubs = $(addprefix test-eventlet-,poll selects asyncio)
runs = $(everything) $(on_loops) $(on_hubs) test-toy test-stubs
# What a loop or hub decides, which runs on those too; the rest, and the long form of some tests, does so under
# "make matrix".
waiting = $(addprefix tests/green/test_,kills_and_closes.py eventloop.py fairness.py gevent.py green_devices.py greenness.py hub_contract.py hubs.py \
    idle_hubs.py native_threads.py outer_timeouts.py) $(addprefix tests/green/wake_ups/test_,storms.py wake_ups.py) \
    tests/green/test_eventlet_green.py::test_eventlet_green_zmq_runs_unmodified_on_top_of_us \
    $(addprefix tests/sockets/test_descriptors.py::test_,more_descriptors_than_select_can_count \
    who_waits_for_room_lets_others_run) $(addprefix tests/sockets/test_,full_peers.py timeouts.py) tests/polling/test_polls.py
# What the framework of the tests' own has to pass.
on_toy = $(addprefix tests/sockets/test_,contexts.py ends_of_sockets.py full_peers.py options.py patterns.py \
    timeouts.py) $(addprefix tests/messages/test_,batches.py frames.py messages.py whole_messages.py) tests/polling/test_polls.py \
    tests/loops/test_cancelling.py $(addprefix tests/green/test_,greenness.py hub_contract.py)
# Versions of numpy whose types are checked beside those of the newest.
numpys = 1.26.4 2.2.6
space = $(subst ,, )
# What the benchmark compares with.
beside_pyzmq = gevent eventlet uvloop
pyzmq = pyzmq==$(PYZMQ) $(beside_pyzmq)

.PHONY: demo test quick $(runs) installed matrix distros pythons bench pictures conformance clients installation wheel \
    pyzmq-shim release sanitize fuzz soak leaks stress-machine mutants schedules coverage model docs frameworks lint \
    drawings top-pictures architecture clean system system-for-tests

demo: $(VENV)/.installed
	@$(python) -m zmq.green.demo $(DEMO)

# What they have found is written there.
matrix distros bench conformance clients installation sanitize fuzz soak leaks stress-machine mutants schedules \
coverage: | $(BENCH)

$(BENCH):
	@mkdir -p $@

# Half the time that a test's program takes to import the frameworks goes for a resolver of eventlet's; make matrix has it.
test quick sanitize stress-machine coverage mutants: export EVENTLET_NO_GREENDNS = yes

# A few at a time, one more than a small machine has processors, as tests also wait; what each of them printed is shown
# when it has ended.
test: $(VENV)/.installed system-for-tests
	@$(MAKE) --no-print-directory --jobs=$(JOBS) --output-sync=target --keep-going $(runs)

$(everything): test-%:
	@echo "== everything: $*"
	@$(python) -m pytest --front-end=$* tests

$(on_loops): test-gevent-%:
	@echo "== gevent on $*"
	@GEVENT_LOOP=$* $(python) -m pytest --front-end=gevent $(waiting)

$(on_hubs): test-eventlet-%:
	@echo "== eventlet on $*"
	@EVENTLET_HUB=$* $(python) -m pytest --front-end=eventlet $(waiting)

test-toy:
	@echo "== the framework of the tests' own"
	@$(python) -m pytest --front-end=toy $(on_toy)

quick: $(VENV)/.installed
	@$(python) -m pytest --front-end=gevent $(waiting) \
	    $(addprefix tests/sockets/test_,contexts.py ends_of_sockets.py options.py patterns.py) \
	    $(addprefix tests/messages/test_,frames.py messages.py whole_messages.py)

test-stubs:
	@echo "== the stubs"
	@$(stubtest)

installed: $(VENV)/.installed

matrix: installed $(addprefix $(BENCH)/numpy-,$(addsuffix /.installed,$(numpys)))
	@sh tools/pythons.sh "$(BENCH)" installed
	@NUMPYS="$(subst $(space),:,$(abspath $(addprefix $(BENCH)/numpy-,$(numpys))))" $(python) tests/matrix.py --json $(BENCH)/matrix.json $(MATRIX) $(BENCH)/python-*/.venv/bin/python

distros: $(VENV)/.created
	@$(python) tests/distros.py --build $(BENCH)/distros --json $(BENCH)/distros.json $(DISTROS)

# Every interpreter has a virtual environment and a build folder of its own, outside the working tree.
pythons:
	@sh tools/pythons.sh "$(BENCH)" test

# Ratios are to PyZMQ on the same libzmq, where it can be built there; its wheel is shown beside, and ours where make wheel
# has made one for this Python.
our_wheel = $(firstword $(wildcard dist/greenzmq-*-$(shell $(PYTHON) -c 'import sys; print("cp%d%d" % sys.version_info[:2])')-manylinux*.whl))
bench: measured = $(BENCH)/bench$(if $(QUICK),-quick)
bench: $(VENV)/.installed $(BENCH)/pyzmq/.installed $(BENCH)/pyzmq-$(PYZMQ)-system.tried $(BENCH)/matplotlib/.installed \
    $(BENCH)/pyomq/.installed $(if $(our_wheel),$(BENCH)/our-wheel/.installed)
	@theirs=$(BENCH)/pyzmq-$(PYZMQ)-system/bin/python; wheel="--wheel $(BENCH)/pyzmq/bin/python"; \
	[ -x $$theirs ] || { theirs=$(BENCH)/pyzmq/bin/python; wheel=$(if $(our_wheel),"$$wheel"); }; \
	$(if $(our_wheel),wheel="$$wheel --our-wheel $(BENCH)/our-wheel/bin/python";) \
	status=0; $(python) perf/bench.py --ours $(python) --theirs $$theirs $$wheel --peer $(BENCH)/pyomq/bin/python --build $(BENCH) \
	    --json $(measured).json $(if $(QUICK),--quick) $(BENCHMARK) || status=$$?; \
	[ $$status = 2 ] || $(BENCH)/matplotlib/bin/python perf/pictures.py $(measured).json $(measured); \
	exit $$status

pictures: $(BENCH)/matplotlib/.installed
	@$(BENCH)/matplotlib/bin/python perf/pictures.py $(BENCH)/bench.json docs/pictures
	@$(PYTHON) perf/table.py $(BENCH)/bench.json docs/guide/tuning.md

conformance: $(BENCH)/conformance/.installed $(BENCH)/pyzmq/.conformance $(BENCH)/pyzmq-$(PYZMQ).tar.gz \
    $(BENCH)/eventlet-$(EVENTLET).tar.gz
	@$(python) tests/conformance/run.py --ours $(BENCH)/conformance/bin/python --theirs $(BENCH)/pyzmq/bin/python \
	    --archive $(BENCH)/pyzmq-$(PYZMQ).tar.gz --eventlet $(BENCH)/eventlet-$(EVENTLET).tar.gz \
	    --json $(BENCH)/conformance.json $(CONFORMANCE)

clients: $(BENCH)/wheel/.built
	@$(python) tests/clients/clients.py --wheel $(BENCH)/wheel/*.whl --build $(BENCH)/clients \
	    --json $(BENCH)/clients.json $(CLIENTS)

installation: $(BENCH)/wheel/.built $(BENCH)/installation/.installed
	@$(python) tests/installation/installation.py --wheel $(BENCH)/wheel/*.whl --tools $(BENCH)/installation \
	    --json $(BENCH)/installation.json $(INSTALLATION)

release: $(BENCH)/release/.installed
	@MAKE="$(MAKE)" $(BENCH)/release/bin/python tools/release.py $(RELEASE)

wheel: $(BENCH)/auditwheel/.installed
	@$(PYTHON) tools/wheels.py --build $(BENCH) --auditwheel $(BENCH)/auditwheel/bin/python --dist dist $(WHEEL)

pyzmq-shim:
	@$(PYTHON) tools/empty_pyzmq_wheel.py dist

sanitize: | system system-for-tests
	@$(PYTHON) tests/sanitize/sanitize.py --python $(PYTHON) --build $(BENCH)/sanitize --json $(BENCH)/sanitize.json \
	    $(SANITIZE)

# Atheris is not there for every Python; without it a loop of our own makes up what the parsers get.
fuzz: $(VENV)/.installed $(BENCH)/fuzz/.tried
	@$(python) tests/fuzz/fuzz.py --python $(PYTHON) --atheris $(BENCH)/fuzz/bin/python --build $(BENCH)/sanitize \
	    --json $(BENCH)/fuzz.json $(FUZZ)

soak: $(VENV)/.installed
	@$(python) tests/soak/soak.py --json $(BENCH)/soak.json $(SOAK)

leaks: $(VENV)/.installed
	@$(python) tests/leaks/leaks.py --json $(BENCH)/leaks.json $(LEAKS)

stress-machine: $(VENV)/.installed system-for-tests
	@$(python) tests/stress_machine/stress_machine.py --json $(BENCH)/stress-machine.json $(STRESS_MACHINE)

mutants: $(VENV)/.installed
	@$(python) tests/mutants/mutants.py --build $(BENCH)/mutants --json $(BENCH)/mutants.json $(MUTANTS)

schedules: $(VENV)/.installed
	@$(python) tests/schedules/schedules.py --json $(BENCH)/schedules.json $(SCHEDULES)

coverage: | system system-for-tests
	@$(PYTHON) tests/coverage_of_lines/coverage_of_lines.py --build $(BENCH)/coverage --json $(BENCH)/coverage.json $(COVERAGE)

model:
	@sh tools/system.sh model
	@$(PYTHON) docs/model/check.py

# The docstrings are read where the extension modules have been built.
docs: $(VENV)/.installed $(BENCH)/docs/.installed
	@PYTHONPATH="$(CURDIR)" $(BENCH)/docs/bin/python tools/website.py $(BENCH)/docs

frameworks:
	@$(PYTHON) tools/generate_frameworks.py

lint: $(VENV)/.installed $(VENV)/.lint docs
	@$(python) tools/generate_frameworks.py --check
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cython-lint zmq/core
	@$(python) -m mypy
	@$(stubtest)
	@$(python) tools/house.py
	@$(python) tools/drawings.py --check

drawings:
	@$(PYTHON) tools/drawings.py

top-pictures: $(VENV)/.installed
	@$(python) -m pip install --quiet pillow
	@$(python) tools/top_pictures.py

architecture:
	@$(PYTHON) tools/house.py picture

clean:
	rm -rf $(VENV) $(BENCH) build dist *.egg-info $(foreach kind,c so html,zmq/core/*.$(kind) zmq/core/*/*.$(kind))

system:
	@PYTHON="$(PYTHON)" sh tools/system.sh build

system-for-tests:
	@sh tools/system.sh test

$(VENV)/.created: | system
	@$(PYTHON) -m venv $(VENV)
	@$(python) -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.installed: $(VENV)/.created $(sources) | system
	@echo "Building greenzmq and installing what it needs into $(VENV)..."
	@$(python) -m pip install --quiet --group build --group test
	@$(python) -m pip install --quiet --no-build-isolation --editable ".[gevent,eventlet,tornado]"
	@touch $@

$(VENV)/.lint: $(VENV)/.created pyproject.toml
	@$(python) -m pip install --quiet --group lint
	@touch $@

# The stamp says what was installed: it is made again where that is something else.
ifneq ($(shell cat "$(BENCH)/pyzmq/.installed" 2>/dev/null),$(pyzmq))
.PHONY: $(BENCH)/pyzmq/.installed
endif
$(BENCH)/pyzmq/.installed: | system
	@$(PYTHON) -m venv $(BENCH)/pyzmq
	@$(BENCH)/pyzmq/bin/python -m pip install --quiet $(pyzmq)
	@echo "$(pyzmq)" >$@

$(BENCH)/our-wheel/.installed: $(our_wheel) | system
	@$(PYTHON) -m venv $(BENCH)/our-wheel
	@$(BENCH)/our-wheel/bin/python -m pip install --quiet "$(our_wheel)[gevent,eventlet]" uvloop
	@$(BENCH)/our-wheel/bin/python -m pip install --quiet --force-reinstall --no-deps $(our_wheel)
	@touch $@

# Tried once.
ifneq ($(shell cat "$(BENCH)/pyzmq-$(PYZMQ)-system.tried" 2>/dev/null),$(pyzmq))
.PHONY: $(BENCH)/pyzmq-$(PYZMQ)-system.tried
endif
$(BENCH)/pyzmq-$(PYZMQ)-system.tried: perf/pyzmq.sh | system $(BENCH)
	@sh perf/pyzmq.sh $(PYTHON) $(BENCH)/pyzmq-$(PYZMQ)-system $(PYZMQ) $(beside_pyzmq)
	@echo "$(pyzmq)" >$@

# Tried once.
$(BENCH)/fuzz/.tried: | $(VENV)/.created
	@$(python) -m venv $(BENCH)/fuzz
	@$(BENCH)/fuzz/bin/python -m pip install --quiet atheris || rm -f $(BENCH)/fuzz/bin/python
	@touch $@

# Only its types are read, by no interpreter in particular.
$(BENCH)/numpy-%/.installed: $(VENV)/.created
	@$(python) -m pip install --quiet --upgrade --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
	    --target $(BENCH)/numpy-$* numpy==$*
	@touch $@

$(BENCH)/matplotlib/.installed: | system
	@$(PYTHON) -m venv $(BENCH)/matplotlib
	@$(BENCH)/matplotlib/bin/python -m pip install --quiet matplotlib
	@touch $@

$(BENCH)/pyomq/.installed: | system
	@$(PYTHON) -m venv $(BENCH)/pyomq
	@$(BENCH)/pyomq/bin/python -m pip install --quiet "pyomq==$(PYOMQ)"
	@touch $@

$(BENCH)/pyzmq/.conformance: $(BENCH)/pyzmq/.installed pyproject.toml
	@$(BENCH)/pyzmq/bin/python -m pip install --quiet --upgrade pip
	@$(BENCH)/pyzmq/bin/python -m pip install --quiet --group conformance "eventlet==$(EVENTLET)"
	@touch $@

# The tests read what an installed package has, its .pxd files for example.
$(BENCH)/conformance/.installed: $(VENV)/.installed $(python_sources)
	@echo "Installing greenzmq for the conformance tests..."
	@$(PYTHON) -m venv $(BENCH)/conformance
	@$(BENCH)/conformance/bin/python -m pip install --quiet --upgrade pip
	@$(BENCH)/conformance/bin/python -m pip install --quiet --group conformance "eventlet==$(EVENTLET)"
	@$(BENCH)/conformance/bin/python -m pip install --quiet --no-build-isolation --force-reinstall --no-deps .
	@touch $@

# What the environments of other programs get.
$(BENCH)/wheel/.built: $(VENV)/.installed $(python_sources)
	@echo "Building a wheel of greenzmq..."
	@rm -rf $(BENCH)/wheel
	@$(python) -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir $(BENCH)/wheel .
	@touch $@

# What tools need that have an environment to themselves: a group of pyproject.toml each.
$(addprefix $(BENCH)/,$(addsuffix /.installed,docs installation release auditwheel)): $(BENCH)/%/.installed: pyproject.toml | system
	@$(PYTHON) -m venv $(BENCH)/$*
	@$(BENCH)/$*/bin/python -m pip install --quiet --upgrade pip
	@$(BENCH)/$*/bin/python -m pip install --quiet --group $*
	@touch $@

$(BENCH)/download/.created:
	@$(PYTHON) -m venv $(BENCH)/download
	@touch $@

$(BENCH)/pyzmq-$(PYZMQ).tar.gz: | $(BENCH)/download/.created
	@$(BENCH)/download/bin/python -m pip download --quiet --no-deps --no-binary pyzmq --dest $(BENCH) "pyzmq==$(PYZMQ)"

$(BENCH)/eventlet-$(EVENTLET).tar.gz: | $(BENCH)/download/.created
	@$(BENCH)/download/bin/python -m pip download --quiet --no-deps --no-binary eventlet --dest $(BENCH) \
	    "eventlet==$(EVENTLET)"
