"""What setup.cfg and package.xml declare is what the code is and imports."""

import ast
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from catkin_pkg.package import parse_package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import defocus_depth

REPOSITORY = Path(__file__).resolve().parents[2]
OPTIONAL = {  # imported where present, with a fallback; not to be had from PyPI
    "cv_bridge",
    "launch",
    "launch_ros",
    "tensorrt",
    "tensorrt_rtx",
}
SETUP = ConfigParser()
SETUP.read(REPOSITORY / "setup.cfg", encoding="utf-8")


def _declared(*extras: str) -> set[str]:
    lists = [SETUP["options"]["install_requires"], *(SETUP["options.extras_require"][extra] for extra in extras)]
    lines = (line for text in lists for line in text.splitlines())
    return {canonicalize_name(Requirement(line).name) for line in lines if line and not line.startswith("#")}


def _imported(folder: Path) -> dict[str, str]:
    """Top-level name of each third-party module that a file under `folder` imports, and one such file."""
    found = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            found.update({name.split(".")[0]: str(path.relative_to(REPOSITORY)) for name in names})
    beside = (REPOSITORY / "benchmarks", REPOSITORY / "tests" / "helpers")
    scripts = {path.stem for at in beside for path in at.rglob("*") if path.suffix == ".py" or path.is_dir()}
    ours = {"defocus_depth", "defocus_training", "tests"} | scripts
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | ours | OPTIONAL}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("src/defocus_depth", ("ros", "cpu", "tensorrt", "training")),  # the torch backend uses torch where it is
        ("training/defocus_training", ("ros", "cpu", "capture", "training")),
        ("tests", ("ros", "cpu", "tensorrt-rtx", "training", "dev")),
    ],
)
def test_every_import_is_declared(folder: str, extras: tuple[str, ...]):
    distributions = packages_distributions()
    declared = _declared(*extras)
    undeclared = {}
    for module, path in _imported(REPOSITORY / folder).items():
        providers = {canonicalize_name(name) for name in distributions.get(module, [module])}
        if not providers & (declared | _brought_along(declared)):
            undeclared[module] = path
    assert undeclared == {}


def test_both_distributions_of_ros_have_the_same_packages():
    assert _declared("ros") == _declared("ros-kilted")


def _brought_along(declared: set[str]) -> set[str]:
    """Message packages that the declared ROS wheels always bring, and pytest's own libraries."""
    ros = {
        "ros-std-msgs",
        "ros-builtin-interfaces",
        "ros-rcl-interfaces",
        "ros-rosgraph-msgs",
        "ros-ament-index-python",
    }
    return (ros if "ros-rclpy" in declared else set()) | ({"packaging"} if "pytest" in declared else set())


def test_the_runtime_needs_no_torch():
    assert not _declared("ros", "cpu") & {"torch", "lightning", "onnx", "torchvision", "timm"}


def test_nothing_depends_on_what_breaks():
    breaks = {"cv-bridge", "torchvision", "timm", "opencv-python"}
    assert not _declared("ros", "cpu", "tensorrt-rtx", "training", "dev") & breaks


def test_package_xml_agrees_with_setup_cfg():
    warnings: list[str] = []
    package = parse_package(str(REPOSITORY / "package.xml"), warnings=warnings)
    assert warnings == []
    assert (package.name, package.version) == (SETUP["metadata"]["name"], defocus_depth.__version__)
    assert (package.description, package.licenses) == (SETUP["metadata"]["description"], [SETUP["metadata"]["license"]])
    assert package.get_build_type() == "ament_python"
