"""The libraries as they are imported: once for the life of the process, for they never forget their first logger."""

from __future__ import annotations

import subprocess
import sys

import pytest

from defocus_depth.inference.backends.tensorrt.adapter import TENSORRT, TENSORRT_RTX, import_library

# A second user outlives the first, and then the library has something to say.
OUTLIVE = """
import gc
from defocus_depth.inference.backends.tensorrt.adapter import TENSORRT_RTX, import_library

def user():
    library = import_library(TENSORRT_RTX)
    return library, library.trt.Runtime(library.log)

first = user()
second = user()
del first
gc.collect()
registry = second[0].trt.get_plugin_registry()
assert not list(second[0].problems), "of a logger that differs from the first"
registry.load_library("/nowhere/plugins.so")
print("heard:", *second[0].problems)
"""


def test_the_logger_outlives_whoever_brought_it():
    pytest.importorskip("tensorrt_rtx")
    done = subprocess.run([sys.executable, "-c", OUTLIVE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr}"  # -11 where it was freed
    assert "heard:" in done.stdout and "/nowhere/plugins.so" in done.stdout


def test_a_library_is_one_object_for_each_flavour(trt, rtx):
    libraries = [import_library(TENSORRT), import_library(TENSORRT_RTX), import_library(TENSORRT)]
    assert libraries[0] is libraries[2] and libraries[0] is not libraries[1]
    assert [library.trt for library in libraries] == [trt, rtx, trt]
