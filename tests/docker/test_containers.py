"""The container files: linted, pinned, not run as root, and made of what the repository has. None is built here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
# NVIDIA's catalogue: each of its tags names one release, and no public list has their digests.
ONE_RELEASE = r"nvcr\.io/nvidia/\S+:[^:@]*\d+\.\d+[^:@]*"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def stages(path: Path) -> list[str]:
    """The text of each stage, its FROM line first."""
    return re.split(r"(?m)^(?=FROM )", path.read_text(encoding="utf-8"))[1:]


def test_there_is_one_for_each_kind_of_machine():
    assert [path.stem for path in DOCKERFILES] == ["cpu", "desktop", "jetson", "training"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_linter_has_nothing_to_say(path: Path):
    done = subprocess.run([tool("hadolint"), str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def is_pinned(image: str) -> bool:
    """By digest; by its tag alone only where a tag is never moved."""
    return bool(re.fullmatch(r"\S+:[\w.-]+@sha256:[0-9a-f]{64}", image) or re.fullmatch(ONE_RELEASE, image))


@pytest.mark.parametrize("image", ["ros:jazzy-ros-base-noble", "nvidia/cuda:13.0.1-devel", "nvcr.io/nvidia/x:py3"])
def test_a_tag_that_can_be_moved_is_no_pin(image: str):
    assert not is_pinned(image)


def test_groups_of_the_images_user_hold():
    """With a group in USER Docker uses no other, as if `useradd --groups` were not there."""
    for path in DOCKERFILES:
        text = path.read_text(encoding="utf-8")
        if "useradd" in text and "--groups" in text:
            assert ":" not in re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1], path.stem


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_images_are_pinned_built_in_stages_and_not_run_as_root(path: Path):
    found = stages(path)
    assert len(found) >= 2
    names = {match for stage in found for match in re.findall(r"^FROM \S+ AS (\S+)", stage)}
    for stage in found:
        image = stage.split()[1]
        assert image in names or is_pinned(image), image
    last = found[-1]
    assert re.findall(r"^USER (\S+)", last, re.MULTILINE)[-1].split(":")[0] == "1000"
    assert "HEALTHCHECK" in last and "ENTRYPOINT" in last
    assert "COPY . ." not in last  # sources and compilers stay in the stage that builds


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_what_is_copied_and_installed_is_there(path: Path):
    text = path.read_text(encoding="utf-8")
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / source).exists() for source in sources.split())
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = {name for found in re.findall(r"'\.\[([a-z,-]+)\]'", text) for name in found.split(",")}
    assert extras and extras <= set(setup["options.extras_require"])
    assert not {"tensorrt", "training"} <= extras  # CUDA 12's bindings, and PyPI's torch, which asks for CUDA 13's
    if "ln -s" in text:
        scripts = {line.split("=")[0].strip() for line in setup["options.entry_points"]["console_scripts"].splitlines()}
        linked = set(re.findall(r"\.\./\.\./bin/(\w+)", text))
        assert linked == {name for name in scripts if name} - {"defocus_training"}  # no node, and in no launch file


def test_build_context_holds_what_the_build_needs_and_nothing_private():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert {"src", "training", "launch", "config", "resource", "docker", "setup.py", "setup.cfg", "package.xml"} <= kept
    assert all((ROOT / name).exists() for name in kept) and not kept & {".git", ".venv", "tests"}


def test_compose_file_follows_its_schema():
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_services_build_from_files_that_exist_and_share_what_ros_needs(name: str):
    service = COMPOSE["services"][name]
    (profile,) = service["profiles"]
    assert profile in {"demo", "robot", "train"} and service["user"] == "1000:1000" and service["ipc"] == "host"
    if "build" in service:
        file = service["build"]["dockerfile"].replace("${IMAGE:-desktop}", "desktop")
        assert (ROOT / file).is_file()
    if profile != "train":
        assert service["network_mode"] == "host" and "ROS_DOMAIN_ID" in service["environment"]
    if "dockerfile" in service.get("build", {}) and profile == "robot":
        assert service["build"]["dockerfile"] == "docker/${IMAGE:-desktop}.Dockerfile"


@pytest.mark.parametrize("name", ["engines", "depth"])
def test_a_jetson_gives_its_gpu_to_the_robots_services(name: str):
    """By NVIDIA's runtime: its toolkit refuses a reservation, that is `--gpus`. Device files are video's."""
    service = COMPOSE["services"][name]
    assert service["runtime"] == "nvidia" and "deploy" not in service
    assert service["environment"]["NVIDIA_VISIBLE_DEVICES"] == "${NVIDIA_VISIBLE_DEVICES:-all}"
    assert "compute" in service["environment"]["NVIDIA_DRIVER_CAPABILITIES"].split(",")
    assert "video" in service["group_add"]


def test_training_reserves_a_gpu_and_the_demo_needs_none():
    (device,) = COMPOSE["services"]["train"]["deploy"]["resources"]["reservations"]["devices"]
    assert "gpu" in device["capabilities"]
    assert not {"runtime", "deploy"} & COMPOSE["services"]["demo"].keys()


def mounts(service: dict[str, Any]) -> list[Any]:
    """The folders of the host that a service is given, as compose is told of them; named volumes are left out."""
    named = tuple(f"{name}:" for name in COMPOSE["volumes"])
    return [mount for mount in service["volumes"] if not (isinstance(mount, str) and mount.startswith(named))]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_docker_makes_no_folder_that_would_be_roots(name: str):
    """The images are not run as root: what the daemon makes, they cannot write into."""
    for mount in mounts(COMPOSE["services"][name]):
        assert mount["type"] == "bind" and mount["bind"] == {"create_host_path": False}, mount


@pytest.mark.parametrize("profile", ["demo", "robot", "train"])
def test_a_fresh_clone_is_told_which_folders_to_make(profile: str):
    services = [service for service in COMPOSE["services"].values() if service["profiles"] == [profile]]
    sources = {mount["source"] for service in services for mount in mounts(service)}
    folders = {re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", source).removeprefix("./") for source in sources}
    for text in (ROOT / "compose.yaml", ROOT / "docs" / "deploy.md"):
        (made,) = re.findall(rf"mkdir -p ([\w ]+) && .*\n?.*--profile {profile}", text.read_text(encoding="utf-8"))
        assert set(made.split()) == folders, text


def test_the_robots_node_waits_for_its_engines():
    services = COMPOSE["services"]
    assert services["depth"]["depends_on"] == {"engines": {"condition": "service_completed_successfully"}}
    for name in ("engines", "depth"):
        assert "engines:/engines" in services[name]["volumes"]
    assert services["depth"]["image"] == services["engines"]["image"]
    for stem in ("desktop", "jetson"):
        assert "DEFOCUS_DEPTH_ENGINES=/engines" in (ROOT / "docker" / f"{stem}.Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["entrypoint.sh", "healthcheck.sh"])
def test_scripts_are_executable_and_parse(name: str):
    path = ROOT / "docker" / name
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(path)], check=True, timeout=10)


def test_entrypoint_runs_the_command_as_given():
    done = subprocess.run(
        [str(ROOT / "docker" / "entrypoint.sh"), "printf", "%s|", "a b", "c"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        timeout=10,
        check=True,
    )
    assert done.stdout == "a b|c|"
