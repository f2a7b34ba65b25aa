# make demo    simulated camera and depth node over DDS; needs no camera, no GPU and no ROS installation
# make test    all tests (PYTEST="-k name" for some)
# make check   ruff format, ruff check, pyright, import-linter
# make bench   time the inference backends side by side, and training's renderer where torch is
# make test-gpu  TensorRT and CUDA on this machine's GPU, as a report to paste into an issue
# make clean   remove what was built (not .venv)
#
# All of them share .venv. Empty files in it remember what was installed, so a second run installs nothing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PYTEST ?=
# Which extra brings ROS's wheels: ros (Jazzy) or ros-kilted.
ROS_WHEELS ?= ros
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Inherited from a parent that runs in another venv with ROS wheels, it would keep ours from finding their libraries.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

# A sourced ROS is used as it is: its Python packages are seen through the venv, and its cv_bridge wants numpy 1.
ROS_SOURCED := $(shell test -n "$${ROS_DISTRO:-}" && $(PYTHON) -c "import rclpy" 2>/dev/null && echo yes)
# TensorRT itself comes with JetPack or NVIDIA's containers, for the system's Python: it is seen through the venv too.
TENSORRT_FOUND := $(shell $(PYTHON) -c "import sys, importlib.util as find; print('yes' if \
  sys.prefix == sys.base_prefix and find.find_spec('tensorrt') else '')" 2>/dev/null)
ifeq ($(ROS_SOURCED),yes)
  ROS_FROM := system
  ROS_EXTRA :=
  NUMPY := "numpy<2"
else
  ROS_FROM := $(ROS_WHEELS:ros%=wheels%)$(if $(TENSORRT_FOUND),-beside-tensorrt)
  ROS_EXTRA := $(ROS_WHEELS),
  NUMPY :=
endif
VENV_OPTIONS := $(if $(ROS_SOURCED)$(TENSORRT_FOUND),--system-site-packages)
TENSORRT_EXTRA := $(if $(TENSORRT_FOUND),tensorrt,tensorrt-rtx)

MADE := $(VENV)/.made-for-ros-from-$(ROS_FROM)
RUNTIME := $(VENV)/.installed-runtime
ON_GPU := $(VENV)/.installed-on-gpu
DEVELOPMENT := $(VENV)/.installed-development
# What demo and bench need: the smaller set, unless the larger one is already there.
INSTALLED := $(if $(wildcard $(DEVELOPMENT)),$(DEVELOPMENT),$(RUNTIME))
INSTALLED_ON_GPU := $(if $(wildcard $(DEVELOPMENT)),$(DEVELOPMENT),$(ON_GPU))
METADATA := setup.cfg setup.py pyproject.toml
# fp16 and int8 are timed on a copy of the released model with graphs for them, made once where the tools are installed;
# `make test-gpu` makes it as a step of its report, so that a failure is reported too.
QUANTISED := $(VENV)/quantised/released.onnx
BENCH_MODEL := $(if $(wildcard $(DEVELOPMENT)),$(QUANTISED))

.PHONY: demo test test-gpu check check-format check-lint check-types check-imports bench clean
.DEFAULT_GOAL := demo
.DELETE_ON_ERROR:

demo: $(INSTALLED)
	$(BIN)/defocus_depth demo

test: $(DEVELOPMENT)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST)

test-gpu: $(INSTALLED_ON_GPU)
	@$(BIN)/python benchmarks/gpu_report.py --quantised $(QUANTISED)

check: check-format check-lint check-types check-imports

check-format: $(DEVELOPMENT)
	$(BIN)/ruff format --check .

check-lint: $(DEVELOPMENT)
	$(BIN)/ruff check .

check-types: $(DEVELOPMENT)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

check-imports: $(DEVELOPMENT)
	$(BIN)/lint-imports

bench: $(INSTALLED) $(BENCH_MODEL)
	$(BIN)/defocus_depth bench $(BENCH_MODEL:%=--model %)
	$(BIN)/python benchmarks/renderer.py

$(QUANTISED): src/defocus_depth/models/released.onnx | $(DEVELOPMENT)
	$(BIN)/defocus_training quantise --out $@

clean:
	rm -rf build dist install log demo_output src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src training tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): $(METADATA) | $(MADE)
	@echo "Installing the runtime into $(VENV) (once, a few minutes) ..."
	$(PIP) install $(NUMPY) -e '.[$(ROS_EXTRA)cpu]'
	@touch $@

# CUDA 12's bindings work with the drivers of later versions as well, CUDA 13's not with those of earlier ones.
$(ON_GPU): $(METADATA) | $(MADE)
	@echo "Installing the runtime, TensorRT's bindings and pytest into $(VENV) (once, a few minutes) ..."
	$(PIP) install $(NUMPY) -e '.[$(ROS_EXTRA)cpu,$(TENSORRT_EXTRA)]' 'cuda-bindings<13' pytest pytest-timeout
	@touch $(RUNTIME) $@

$(DEVELOPMENT): $(METADATA) constraints.txt | $(MADE)
	@echo "Installing the runtime and the development tools into $(VENV) (once, some minutes) ..."
	$(PIP) install $(NUMPY) -c constraints.txt -e '.[$(ROS_EXTRA)cpu,tensorrt-rtx,capture,training,dev]'
	@touch $(RUNTIME) $@

$(MADE):
	@ROS_SOURCED="$(ROS_SOURCED)" $(PYTHON) .ci/check_machine.py
	@if [ -e $(BIN)/python ]; then \
	  echo "make: $(VENV) was not made by this Makefile for ROS from $(ROS_FROM): remove it (rm -r $(VENV)) first" >&2; \
	  exit 2; \
	fi
	$(PYTHON) -m venv $(VENV_OPTIONS) $(VENV)
	@touch $@
	$(PIP) install --upgrade pip
