"""What a library's bindings say of their members: that they are there, and how many arguments they take."""

from __future__ import annotations

import ctypes
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

# All that TensorRT's bindings want of its libraries before anything is called.
FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
LIBRARIES = ("nvinfer", "nvonnxparser", "nvinfer_plugin")
NOT_BOUND = {("tensorrt_rtx", "nptype"), ("tensorrt_lean_bindings", "nptype")}  # written in Python


def lacking_without_libraries(bindings: Path, major: int, members: dict[str, int | None], folder: Path) -> list[str]:
    """Which of `members` TensorRT's bindings lack, where its libraries are not: empty ones stand in for them.

    In a process of its own, for there nothing could load the real libraries any more.
    """
    code = "".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS)
    (folder / "empty.c").write_text(code)
    for name in LIBRARIES:
        so_name = f"lib{name}.so.{major}"
        command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{so_name}", "-o", so_name, "empty.c"]
        subprocess.run(command, cwd=folder, check=True)
    program = f"import {__name__} as this; this.print_lacking()"
    given = json.dumps([str(bindings), [str(folder / f"lib{name}.so.{major}") for name in LIBRARIES], members])
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=given,
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def print_lacking() -> None:
    """What the process of `lacking_without_libraries` does."""
    path, libraries, members = json.load(sys.stdin)
    for library in libraries:
        ctypes.CDLL(library)
    loader = ExtensionFileLoader("tensorrt", path)
    spec = importlib.util.spec_from_file_location("tensorrt", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    print(json.dumps([told for name, count in members.items() if (told := lack(module, name, count))]))


def lack(module: Any, name: str, count: int | None) -> str:
    """What is wrong with the member; empty where nothing is."""
    try:
        require(module, name, count)
    except (AttributeError, AssertionError) as error:
        return f"{name}: {error}"
    return ""


def resolve(module: Any, name: str) -> Any:
    """The member, by the names that lead to it."""
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def require(module: Any, name: str, count: int | None) -> None:
    """The name is there, and one of its overloads takes `count` positional arguments."""
    found = resolve(module, name)
    if count is None:
        return
    target = found.__init__ if inspect.isclass(found) else found
    if (module.__name__, name) in NOT_BOUND:
        assert len(inspect.signature(target).parameters) >= count
        return
    takes = [range(low, high + 1) for low, high in argument_counts(target.__doc__ or "")]
    assert any(count in each for each in takes), f"{name}: {count} arguments, takes {takes}: {target.__doc__}"


def argument_counts(docstring: str) -> list[tuple[int, int]]:
    """(fewest, most) positional arguments of each overload, by the signatures that pybind11 puts first."""
    counts = []
    for signature in re.findall(r"^(?:\d+\. )?\w+\((.*?)\)(?: ->.*)?$", docstring, re.MULTILINE):
        if signature.startswith("*args"):
            continue
        given = [argument for argument in re.split(r",\s*(?=\w+:)", signature) if not argument.startswith("self")]
        counts.append((sum("=" not in argument for argument in given), len(given)))
    return counts
