"""Each way to install the package gives working executables and a share folder that ament finds."""

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("package.xml", "setup.py", "setup.cfg", "pyproject.toml", "LICENSE", "resource", "launch", "config", "src")
EXECUTABLES = ("defocus_depth", "defocus_training", "depth_node", "simulated_camera")


class Installed(NamedTuple):
    """A finished installation: where its executables and share folder are, and the environment that finds them."""

    executables: Path
    prefix: Path
    code: Path
    environment: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return _run(*command, env=self.environment)


def _run(*command: str, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def _copy_of_sources(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.nbi", "*.nbc")
    for name in (*SOURCES, "training"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=ignored)
        elif source.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    return folder


def _environment(**changes: str) -> dict[str, str]:
    """This process's environment without what would lead to the repository's own copy of the package."""
    dropped = ("PYTHONPATH", "AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **changes}


def _pip(tmp_path: Path, *options: str) -> Installed:
    """Install into a new venv that also sees this one's packages (after its own)."""
    source, venv = _copy_of_sources(tmp_path / "source"), tmp_path / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", str(venv), env=_environment())
    site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))
    (site_packages / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(venv))
    _run(*pip, *install, *options, str(source), env=_environment())
    code = source / "src" if "--editable" in options else site_packages
    return Installed(venv / "bin", venv, code, _environment(AMENT_PREFIX_PATH=str(venv)))


def _colcon(tmp_path: Path, *options: str) -> Installed:
    """Build a workspace; the environment is the one that sourcing its setup.bash gives."""
    source = _copy_of_sources(tmp_path / "src" / "defocus_depth")
    build = (sys.executable, "-m", "colcon", "--log-base", "log", "build", "--event-handlers", "console_direct+")
    _run(*build, *options, cwd=tmp_path, env=_environment())
    sourced = _run("bash", "-c", ". install/setup.bash && env -0", cwd=tmp_path, env=_environment()).stdout
    environment = dict(pair.split("=", 1) for pair in sourced.split("\0") if "=" in pair)
    prefix = tmp_path / "install" / "defocus_depth"
    code = source.parent.parent / ("build" if "--symlink-install" in options else "install")
    return Installed(prefix / "lib" / "defocus_depth", prefix, code, environment)


INSTALLERS = {
    "pip": (_pip, ()),
    "pip-editable": (_pip, ("--editable",)),
    "colcon": (_colcon, ()),
    "colcon-symlink": (_colcon, ("--symlink-install",)),
}


@pytest.fixture(scope="module", params=INSTALLERS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    if request.param == "colcon-symlink" and int(version("setuptools").split(".")[0]) >= 80:
        pytest.skip("setuptools 80 removed what colcon's --symlink-install needs")
    install, options = INSTALLERS[request.param]
    return install(tmp_path_factory.mktemp(request.param), *options)


@pytest.mark.parametrize("name", EXECUTABLES)
def test_executables_load_the_installed_code(installed: Installed, name: str):
    interpreter = (installed.executables / name).read_text().splitlines()[0].removeprefix("#!")
    load = (
        "from importlib.metadata import distribution, entry_points\n"
        f"(script,) = {{entry for entry in entry_points(group='console_scripts') if entry.name == {name!r}}}\n"
        "print(__import__('inspect').getfile(script.load()))"
    )
    loaded = installed.run(interpreter, "-c", load).stdout.strip()
    assert Path(loaded).is_relative_to(installed.code), loaded


@pytest.mark.parametrize("name", ["defocus_depth", "defocus_training"])
def test_command_lines_give_help(installed: Installed, name: str):
    assert f"usage: {name} COMMAND" in installed.run(str(installed.executables / name), "--help").stdout


def test_ament_finds_the_share_folder(installed: Installed):
    lookup = "import ament_index_python as index; print(index.get_package_share_directory('defocus_depth'))"
    share = Path(installed.run(sys.executable, "-c", lookup).stdout.strip())
    assert share == installed.prefix / "share" / "defocus_depth"
    for folder in ("config", "launch"):
        assert _files(share / folder) == _files(REPOSITORY / folder) != set()
    assert (share / "package.xml").read_text() == (REPOSITORY / "package.xml").read_text()


def _files(folder: Path) -> set[str]:
    """Relative names of all files, without what Python compiled of them."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in files if "__pycache__" not in path.parts}


def test_models_travel_with_the_package(installed: Installed):
    shipped = {path.name for path in (REPOSITORY / "src" / "defocus_depth" / "models").glob("*") if path.is_file()}
    where = "import defocus_depth; print(defocus_depth.__path__[0])"
    interpreter = (installed.executables / "defocus_depth").read_text().splitlines()[0].removeprefix("#!")
    package = Path(installed.run(interpreter, "-c", where).stdout.strip())
    assert {path.name for path in (package / "models").glob("*")} == shipped
