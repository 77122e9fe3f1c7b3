# SPDX-License-Identifier: Apache-2.0
# make demo, test, fuzz, soak, lint, bench, gpu-tiny, weights, devkit,
# view-test, fleet-test, colcon, clean: all in virtual environments,
# With a ROS 2 installation build this package with colcon instead (README).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUTPUT ?= output/demo
RUNS ?= output/weights
MODELS ?= models
SCENES ?= 160
FRESH ?= 75
MINUTES ?= 10
COLCON := build/colcon/venv
BENCHMARKS := $(filter-out $(addprefix benchmarks/,gpu_session.py stages.py car.py spconv_peer.py view.py),\
	$(wildcard benchmarks/*.py))
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test fuzz soak lint bench gpu-tiny weights devkit view-test fleet-test colcon clean environment machine
.DELETE_ON_ERROR:

demo: environment
	$(BIN)/effocc demo --output $(OUTPUT)

# Two processes at a time: most of the tests of nodes wait.
test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# The node under load and under faults for MINUTES; prints each fault and what came of it.
soak: environment
	$(BIN)/python test/soak.py --minutes $(MINUTES)

lint: environment
	$(BIN)/ruff format --check
	$(BIN)/ruff check

# Changed files of each kind that is read; `make fuzz FUZZ="--seeds 5000 --seconds 600"` for longer.
fuzz: environment
	cd test && OMP_NUM_THREADS=1 ../$(BIN)/python -m fuzz $(FUZZ)

bench: environment
	set -e; for file in $(BENCHMARKS); do $(BIN)/python $$file; done

# All that benchmarks/gpu_session.py does on a machine with a GPU, at a size for this one: whether it works.
gpu-tiny: environment
	$(BIN)/python benchmarks/gpu_session.py --tiny --minutes 60 --out output/gpu-tiny

# What models/ ships, made again from nothing, with all the steps of the recipes. Many hours on a CPU; it
# goes on where it was interrupted. A rehearsal of minutes, which leaves models/ alone:
# make weights SCENES=5 FRESH=2 MODELS=output/rehearsal RUNS=output/rehearsal TRAINING="max_steps=2 val_limit=2"
weights: environment
	mkdir -p $(MODELS)
	$(BIN)/effocc simulate --out $(RUNS)/street --scenes $(SCENES) --keyframes 4 --seed 7
	$(BIN)/effocc train fusion_tiny root=$(RUNS)/street out=$(RUNS)/fusion_tiny $(TRAINING)
	cp $(RUNS)/fusion_tiny/last.safetensors $(MODELS)/fusion_tiny.safetensors
	$(BIN)/effocc train vision_tiny_start root=$(RUNS)/street out=$(RUNS)/vision_tiny_start \
		teacher=$(MODELS)/fusion_tiny.safetensors $(TRAINING)
	$(BIN)/effocc simulate --out $(RUNS)/fresh --scenes $(FRESH) --keyframes 4 --seed 23
	$(BIN)/effocc fit-bias $(RUNS)/fresh --model $(RUNS)/vision_tiny_start/last.safetensors \
		--out $(MODELS)/vision_tiny.safetensors
	$(BIN)/effocc train lidar_tiny root=$(RUNS)/street out=$(RUNS)/lidar_tiny $(TRAINING)
	cp $(RUNS)/lidar_tiny/last.safetensors $(MODELS)/lidar_tiny.safetensors

# nuscenes-devkit wants numpy 1, so its tests have an environment of their own.
devkit: $(VENV)-devkit/created.stamp
	$(VENV)-devkit/bin/python -m pytest test/datasets/test_two_doors.py --no-header -k devkit

$(VENV)-devkit/created.stamp: setup.cfg | machine
	$(PYTHON) -m venv $(VENV)-devkit
	$(VENV)-devkit/bin/python -m pip --disable-pip-version-check install nuscenes-devkit==1.2.0 \
		"numpy<2" torch==2.13.0 pytest pytest-timeout --editable ".[sim]"
	touch $@

# Ray is large, so its tests and its benchmark have an environment of their own.
fleet-test: $(VENV)-fleet/created.stamp
	$(VENV)-fleet/bin/python -m pytest test/fleet --no-header
	$(VENV)-fleet/bin/python benchmarks/fleet.py

$(VENV)-fleet/created.stamp: setup.cfg constraints.txt | machine
	$(PYTHON) -m venv $(VENV)-fleet
	$(VENV)-fleet/bin/python -m pip --disable-pip-version-check install --constraint constraints.txt \
		ray==2.60.0 --editable ".[fleet,sim,test]"
	touch $@

# Rerun and Open3D are large, so their tests have an environment of their own (Python 3.11 or newer); one
# of them opens Debian's chromium, if it is there, and leaves output/view/web_viewer.png.
view-test: $(VENV)-view/created.stamp
	$(VENV)-view/bin/python -m pytest test/visualization --no-header

$(VENV)-view/created.stamp: setup.cfg constraints.txt | machine
	$(PYTHON) -m venv $(VENV)-view
	$(VENV)-view/bin/python -m pip --disable-pip-version-check install --constraint constraints.txt \
		aiohttp hypothesis pytest pytest-timeout --editable ".[sim,view,window]"
	touch $@

# The package as a robot builds it, plainly and with --symlink-install: the wheels of ROS 2 bring the
# cmake files. `make colcon TEST=--test` runs `colcon test` too.
colcon: $(COLCON)/ros.stamp
	$(COLCON)/bin/python tools/colcon.py $(TEST)

$(COLCON)/ros.stamp: requirements.txt requirements-ros.txt requirements-colcon.txt constraints.txt | machine
	$(PYTHON) -m venv $(COLCON)
	$(COLCON)/bin/python -m pip --disable-pip-version-check install --requirement requirements.txt
	$(COLCON)/bin/python -m pip --disable-pip-version-check install --no-deps --require-hashes \
		--requirement requirements-ros.txt --requirement requirements-colcon.txt
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-devkit $(VENV)-view $(VENV)-fleet build install log output *.egg-info
	rm -rf .pytest_cache .ruff_cache .hypothesis

# The type support is rebuilt when its messages or wheels changed; the script finds that out itself.
environment: $(VENV)/package.stamp
	@$(BIN)/python tools/build_messages.py

machine:
	@$(PYTHON) tools/check_machine.py

$(VENV)/created.stamp: | machine
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/requirements.stamp: requirements.txt constraints.txt $(VENV)/created.stamp | machine
	$(PIP) install --requirement requirements.txt
	touch $@

# The wheels' dependencies are in requirements.txt; a hash for each wheel is all that pip may take.
$(VENV)/ros.stamp: requirements-ros.txt $(VENV)/requirements.stamp | machine
	$(PIP) install --no-deps --require-hashes --requirement requirements-ros.txt
	touch $@

$(VENV)/package.stamp: setup.py setup.cfg pyproject.toml $(VENV)/ros.stamp | machine
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@
