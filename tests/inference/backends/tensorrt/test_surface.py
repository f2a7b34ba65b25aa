"""What the code touches of TensorRT and of cuda-python is listed, and what is listed is there, in the real bindings."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from binding_signatures import argument_counts, lacking_without_libraries, require, resolve
from touched_members import Bindings, Follower, Renamer, Touch

from defocus_depth.inference.backends import tensorrt
from defocus_depth.inference.backends.tensorrt.surface import (
    BUILD,
    CUDA_DRIVER,
    RTX_ONLY,
    RUN,
    TENSORRT_10_ONLY,
    Members,
)

FOLDER = Path(tensorrt.__file__).parent
TENSORRT_LISTS: tuple[Members, ...] = (BUILD, RUN, RTX_ONLY, TENSORRT_10_ONLY)
LISTED: list[Touch] = [entry for members in TENSORRT_LISTS for entry in members.items()]
TENSORRT_FILES = ("adapter", "builder", "engine")  # no other file is handed an object of the library
MODULE_COMES_IN = ["_library.trt"]
# Attributes of what is not the library's, which has members of these names too.
OURS = {
    "dtype.itemsize",
    "flavour.name",
    "gpu.name",
    "library.problems.clear",
    "np.dtype",
    "problems.append",
    "self._steps.pop",
}


def sources() -> dict[str, ast.Module]:
    return {file: ast.parse((FOLDER / f"{file}.py").read_text(encoding="utf-8")) for file in TENSORRT_FILES}


def followed(rtx: Any, changed: Mapping[str, ast.Module] | None = None) -> Follower:
    """The library followed through the code, or through changed code."""
    return Follower(Bindings(rtx), changed or sources(), MODULE_COMES_IN)


def members_of(module: Any) -> set[str]:
    """Names in a binding's module and in each of its classes."""
    classes = [value for value in vars(module).values() if inspect.isclass(value)]
    return set(dir(module)) | {name for found in classes for name in vars(found)}


@pytest.fixture(scope="module")
def rtx() -> Any:
    return pytest.importorskip("tensorrt_rtx")


@pytest.fixture(scope="module")
def lean() -> Any:
    return pytest.importorskip("tensorrt_lean_bindings")


@pytest.fixture(scope="module")
def driver() -> Any:
    return pytest.importorskip("cuda.bindings.driver")


def test_what_the_code_touches_of_tensorrt_is_what_is_listed(rtx: Any):
    found = followed(rtx)
    assert set(found.touches) == set(LISTED)
    lost = {text for text in found.unknown if text.rpartition(".")[2] in members_of(rtx)}
    assert lost == OURS, "could be the library's, and was not followed"


def test_each_entry_struck_from_the_lists_is_noticed(rtx: Any):
    code = set(followed(rtx).touches)
    for index, entry in enumerate(LISTED):
        assert code != {*LISTED[:index], *LISTED[index + 1 :]}, entry


def test_each_member_struck_from_the_code_is_noticed(rtx: Any):
    touches = followed(rtx).touches
    for entry in LISTED:
        changed = sources()
        for file, tree in changed.items():
            Renamer(file, touches[entry]).visit(tree)
        assert set(followed(rtx, changed).touches) != set(LISTED), entry


def test_what_no_binding_has_is_found_in_the_code_all_the_same(rtx: Any):
    changed = sources()
    changed["builder"] = ast.parse(
        ast.unparse(changed["builder"]).replace("builder.create_network(", "builder.create_web(")
    )
    assert ("Builder.create_web", 1) in followed(rtx, changed).touches


def test_only_these_files_touch_tensorrt():
    others = {path.stem for path in FOLDER.glob("*.py")} - {*TENSORRT_FILES, "surface", "__init__"}
    for file in others:
        assert "library.trt" not in (FOLDER / f"{file}.py").read_text(encoding="utf-8"), file


@pytest.mark.parametrize("name", [*BUILD, *RUN, *RTX_ONLY])
def test_tensorrt_rtx_has_it(name: str, rtx: Any):
    arguments = [members[name] for members in (BUILD, RUN, RTX_ONLY) if name in members]
    for count in arguments:
        require(rtx, name, count)


@pytest.mark.parametrize("name", RUN)
def test_the_lean_runtime_of_tensorrt_has_it(name: str, lean: Any):
    require(lean, name, RUN[name])


def test_tensorrts_own_bindings_have_it_and_its_builder(tmp_path: Path):
    """Without its libraries, which PyPI does not have."""
    spec = find_spec("tensorrt_bindings")
    if spec is None or spec.origin is None or shutil.which("cc") is None:
        pytest.skip("needs the package tensorrt_cu12_bindings and a C compiler")
    bindings, major = Path(spec.origin).with_name("tensorrt.so"), int(version("tensorrt_cu12_bindings").split(".")[0])
    # What is not in the shared object is added by the package, in Python.
    listed = {name: count for name, count in (BUILD | RUN).items() if name not in ("__version__", "nptype")}
    assert lacking_without_libraries(bindings, major, listed, tmp_path) == []
    struck = {**listed, "Builder.create_web": 1, "Builder.create_network": 7}
    found = lacking_without_libraries(bindings, major, struck, tmp_path)
    assert [text.partition(":")[0] for text in found] == ["Builder.create_network", "Builder.create_web"]


def test_the_lean_runtime_lacks_what_is_listed_as_for_rtx_only(lean: Any):
    def there(name: str) -> bool:
        try:
            resolve(lean, name)
        except AttributeError:
            return False
        return True

    shared = {"ICudaEngine.create_execution_context", "ICudaEngine.create_runtime_config"}
    assert {name for name in RTX_ONLY if there(name)} == shared


def parts(members: Members) -> set[str]:
    return {part for name in members for part in name.split(".")}


def test_what_the_code_touches_of_cuda_is_what_is_listed(driver: Any):
    tree = ast.parse((FOLDER / "device.py").read_text(encoding="utf-8"))
    code = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in code if re.match(r"cu[A-Z]|CU", name)} == parts(CUDA_DRIVER)
    for name in CUDA_DRIVER:
        assert parts(CUDA_DRIVER) != parts({other: None for other in CUDA_DRIVER if other != name}), name


@pytest.mark.parametrize("name", CUDA_DRIVER)
def test_cuda_python_has_it(name: str, driver: Any):
    found, count = resolve(driver, name), CUDA_DRIVER[name]
    if count is not None:
        signature = (found.__doc__ or "").splitlines()[0]
        assert re.fullmatch(rf"{name}\((.*)\)", signature), signature
        assert len(signature.split(",")) == count, signature


def test_signatures_are_read_as_pybind11_writes_them():
    one = (
        "set_shape(self: a.b.IOptimizationProfile, input: str, min: a.Dims, opt: a.Dims, max: a.Dims) -> None\n\n text"
    )
    two = "f(*args, **kwargs)\nOverloaded function.\n\n1. f(self: a, b: int = 3) -> bool\n\n2. f(self: a, c: list) -> b"
    assert argument_counts(one) == [(4, 4)]
    assert argument_counts(two) == [(0, 1), (1, 1)]
