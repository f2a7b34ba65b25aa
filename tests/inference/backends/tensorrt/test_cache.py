"""Engines on disk: found again by everything they depend on, and never trusted when they could be another's."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from defocus_depth.errors import BackendError
from defocus_depth.inference.backends.tensorrt import cache as cache_module
from defocus_depth.inference.backends.tensorrt import trusted_file
from defocus_depth.inference.backends.tensorrt.cache import CachedEngine, EngineCache, EngineKey, default_folder
from defocus_depth.inference.backends.tensorrt.device import GpuIdentity

KEY = EngineKey("tensorrt 10.3.0", GpuIdentity("Orin", "8.7"), "ab" * 32, "f16", "320x256")
OTHERS = (
    replace(KEY, library="tensorrt 10.7.0"),
    replace(KEY, gpu=GpuIdentity("Orin", "8.9")),
    replace(KEY, gpu=GpuIdentity("Thor", "8.7")),
    replace(KEY, graph_sha256="cd" * 32),
    replace(KEY, precision="int8"),
    replace(KEY, size="640x480"),
)
ENGINE = CachedEngine(b"engine\nof\nbytes", "Orin, 8.7", {"depth": 0.001}, "Thor, 11.0", "scale 0.2, at most 0.05")


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def test_what_was_stored_is_found_again(cache: EngineCache):
    assert cache.load(KEY) is None
    path = cache.store(KEY, ENGINE)
    assert cache.load(KEY) == ENGINE
    assert path.name == "abababababab_f16_320x256_tensorrt-10.3.0_Orin_8.7.engine"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(cache.folder.iterdir()) == [path]  # nothing half written


@pytest.mark.parametrize("other", OTHERS)
def test_an_engine_is_good_for_its_key_only(other: EngineKey, cache: EngineCache):
    cache.store(KEY, ENGINE)
    assert cache.load(other) is None
    cache.path(KEY).rename(cache.path(other))
    with pytest.raises(BackendError, match="expected .*, got "):
        cache.load(other)


def test_a_later_engine_takes_the_place_of_an_earlier(cache: EngineCache):
    cache.store(KEY, ENGINE)
    cache.store(KEY, CachedEngine(b"new"))
    assert cache.load(KEY) == CachedEngine(b"new")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda content: content[:-1], "expected the content that its header names, got another: damaged"),
        (lambda content: content.replace(b"bytes", b"bytex"), "damaged"),
        (lambda content: b"", "expected the header of an engine file, got b''"),
        (lambda content: b"\x7fELF" + content, "expected the header of an engine file"),
        (lambda content: content.replace(b"engine file", b"lens file", 1), "expected an engine file"),
        (lambda content: content.replace(b'"f16"', b'"f32"', 1), "precision: expected f16, got f32"),
    ],
)
def test_damaged_and_foreign_files_are_refused(content, message: str, cache: EngineCache):
    path = cache.store(KEY, ENGINE)
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(BackendError, match=message):
        cache.load(KEY)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_files_that_others_may_write_are_refused(mode: int, cache: EngineCache):
    cache.store(KEY, ENGINE).chmod(mode)
    with pytest.raises(BackendError, match="expected nobody else to have write permission, got -rw.*chmod go-w"):
        cache.load(KEY)


def test_folders_that_others_may_write_are_refused(cache: EngineCache):
    cache.store(KEY, ENGINE)
    cache.folder.chmod(0o777)
    for use in (lambda: cache.load(KEY), lambda: cache.store(KEY, ENGINE)):
        with pytest.raises(BackendError, match="engines: expected nobody else to have write permission"):
            use()


def test_files_of_another_user_are_refused(cache: EngineCache, monkeypatch: pytest.MonkeyPatch):
    cache.store(KEY, ENGINE)
    owner = cache.folder.stat().st_uid
    monkeypatch.setattr(trusted_file.os, "geteuid", lambda: owner + 1)
    if owner == 0:
        assert cache.load(KEY) == ENGINE  # root could do anything anyway
    else:
        with pytest.raises(BackendError, match=f"expected to be owned by this user, got user {owner}"):
            cache.load(KEY)


def test_links_are_refused(cache: EngineCache, tmp_path: Path):
    path = cache.store(KEY, ENGINE)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackendError, match="expected a readable file that is no link"):
        cache.load(KEY)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match="engines: expected a folder for engines that can be written to"):
        EngineCache(tmp_path / "file" / "engines").store(KEY, ENGINE)


def test_two_who_build_do_so_one_after_the_other(cache: EngineCache):
    inside, most = 0, 0
    started = threading.Barrier(4)

    def build() -> None:
        nonlocal inside, most
        started.wait()
        with cache.building(KEY):
            inside += 1
            most = max(most, inside)
            os.sched_yield()
            inside -= 1

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_build_that_never_ends_is_given_up(cache: EngineCache, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache_module, "_LOCK_TIMEOUT_S", 0.01)
    with cache.building(KEY), pytest.raises(BackendError, match="expected another process to have built the engine"):
        with cache.building(KEY):
            pass


def test_notes_are_for_one_library_and_gpu_and_never_an_error(cache: EngineCache):
    about = {"library": "tensorrt 10.3.0", "gpu": "Orin, 8.7"}
    assert cache.load_notes("timing.cache", about) == b""
    cache.store_notes("timing.cache", about, b"measured")
    assert cache.load_notes("timing.cache", about) == b"measured"
    assert cache.load_notes("timing.cache", {**about, "gpu": "Thor, 11.0"}) == b""
    (cache.folder / "timing.cache").write_bytes(b"{}")
    assert cache.load_notes("timing.cache", about) == b""


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"DEFOCUS_DEPTH_ENGINES": "/srv/engines", "XDG_CACHE_HOME": "/xdg"}, Path("/srv/engines")),
        ({"XDG_CACHE_HOME": "/xdg"}, Path("/xdg/defocus_depth/engines")),
        ({"HOME": "/home/robot"}, Path("/home/robot/.cache/defocus_depth/engines")),
    ],
)
def test_where_engines_are_kept(variables: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("DEFOCUS_DEPTH_ENGINES", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_folder() == folder


def test_notes_of_a_gpu_with_a_slash_in_its_name_are_a_file_of_the_folder(cache: EngineCache):
    about = {"library": "tensorrt 10.3.0", "gpu": "Quadro RTX 6000/8000, 7.5"}
    cache.store_notes("timing_tensorrt 10.3.0_Quadro RTX 6000/8000.cache", about, b"measured")
    assert [path.name for path in cache.folder.iterdir()] == ["timing_tensorrt-10.3.0_Quadro-RTX-6000-8000.cache"]
    assert cache.load_notes("timing_tensorrt 10.3.0_Quadro RTX 6000/8000.cache", about) == b"measured"
