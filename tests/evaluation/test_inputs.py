from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ConfigError, ImageError, StackError
from defocus_depth.evaluation.inputs import find_sources
from defocus_depth.stacks import load_image

RGB = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def write_image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), RGB[..., ::-1])
    return path


def write_video(path: Path, levels: tuple[int, ...]) -> Path:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for level in levels:
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[..., 2] = level  # OpenCV's red
        video.write(frame)
    video.release()
    return path


def test_an_image_file(tmp_path: Path) -> None:
    (source,) = find_sources([write_image(tmp_path / "photo.png")])
    (frame,) = source.frames()
    assert (source.count, frame.name, frame.lens, frame.focus_distance_m) == (1, "photo", None, None)
    np.testing.assert_array_equal(frame.image, RGB)


def test_a_folder_of_images_in_order_without_its_other_files(tmp_path: Path) -> None:
    for name in ("b.png", "a.bmp"):
        write_image(tmp_path / "scene" / name)
    (tmp_path / "scene" / "meta.json").write_text("{}")
    sources = find_sources([tmp_path / "scene"])
    assert [frame.name for source in sources for frame in source.frames()] == ["scene/a", "scene/b"]


def test_a_stack_brings_its_lens_focus_and_transfer(tmp_path: Path, write_plane) -> None:
    stack = write_plane(tmp_path / "data" / "s", 1.0, transfer="linear")
    for path in (tmp_path / "data", tmp_path / "data" / "s"):
        (source,) = find_sources([path])
        frames = list(source.frames())
        assert (source.count, frames[1].name, frames[1].transfer) == (4, "s/001", "linear")
        assert [frame.focus_distance_m for frame in frames] == [frame.focus_distance_m for frame in stack.frames]
        assert frames[1].lens == stack.lens and frames[1].source == source.path / "001.png"
        np.testing.assert_array_equal(frames[1].image, load_image(stack, 1))


def test_names_are_those_that_were_given(tmp_path: Path, write_plane, monkeypatch) -> None:
    write_plane(tmp_path / "s", 1.0)
    (tmp_path / "link").symlink_to(tmp_path / "s")
    monkeypatch.chdir(tmp_path / "s")
    for path, name in ((Path("."), "s/000"), (tmp_path / "link", "link/000")):
        (source,) = find_sources([path])
        assert next(source.frames()).name == name


def test_a_stack_without_distances_says_so(tmp_path: Path, write_plane) -> None:
    stack = write_plane(tmp_path / "metric", 1.0)
    frames = tuple(dataclasses.replace(f, focus_coordinate=-i) for i, f in enumerate(stack.frames))
    write_plane(tmp_path / "s", 1.0, metric=False, lens=None, frames=frames)
    (source,) = find_sources([tmp_path / "s"])
    assert all(math.isnan(frame.focus_distance_m or 0) for frame in source.frames())


def test_a_video(tmp_path: Path) -> None:
    (source,) = find_sources([write_video(tmp_path / "clip.avi", (30, 120, 220))])
    frames = list(source.frames())
    assert source.count == 3 and [frame.name for frame in frames] == ["clip/000000", "clip/000001", "clip/000002"]
    for frame, level in zip(frames, (30, 120, 220), strict=True):
        np.testing.assert_allclose(frame.image.mean(axis=(0, 1)), (level, 0, 0), atol=6)


def test_refusals(tmp_path: Path, write_plane) -> None:
    with pytest.raises(
        ConfigError, match=r"nothing.png: expected an image, a stack folder or a video, got no such file"
    ):
        find_sources([tmp_path / "nothing.png"])
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(
        ConfigError, match=r"notes.txt: expected an image, a stack folder or a video, got a file that is"
    ):
        find_sources([tmp_path / "notes.txt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"empty: expected a focal stack, a folder of them or of images, got neither"):
        find_sources([tmp_path / "empty"])
    write_plane(tmp_path / "s", 1.0)
    (tmp_path / "s" / "stack.json").write_text("{}")
    with pytest.raises(StackError, match="stack.json: schema: expected a value, got nothing"):
        find_sources([tmp_path / "s"])


def test_a_cut_off_image_is_told_when_read(tmp_path: Path) -> None:
    path = write_image(tmp_path / "photo.png")
    (source,) = find_sources([path])
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ImageError, match="photo.png: expected an 8- or 16-bit image"):
        list(source.frames())
