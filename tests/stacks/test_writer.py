from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import StackError
from defocus_depth.stacks import load_ground_truth, load_image, read_stack, validate_stack, write_stack, writer
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, LensParameters

FINITE = st.floats(-1e6, 1e6, allow_nan=False)
AFFINE: Any = st.tuples(st.tuples(FINITE, FINITE, FINITE), st.tuples(FINITE, FINITE, FINITE))
POSITIVE = st.floats(1e-9, 1e3)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FINITE | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LENSES = st.one_of(
    st.builds(
        LensParameters,
        focal_length_m=st.floats(0.001, 0.01),
        f_number=POSITIVE,
        pixel_pitch_m=POSITIVE,
        image_width_px=st.none() | st.integers(1, 10_000),
        psf_kappa=st.floats(0.01, 0.99),
    ),
    st.builds(LensParameters, blur_gain_px_per_dpt=POSITIVE, focus_offset_m=st.floats(-0.01, 0.01)),
)
CAMERAS = st.builds(
    CameraIntrinsics,
    width=st.integers(1, 6),
    height=st.integers(1, 6),
    fx=POSITIVE,
    fy=POSITIVE,
    cx=FINITE,
    cy=FINITE,
    distortion=st.lists(FINITE, max_size=5).map(tuple),
)


@st.composite
def metas(draw: st.DrawFn) -> FocalStack:
    metric = draw(st.booleans())
    dioptres = sorted(draw(st.lists(st.floats(0, 10), min_size=1, max_size=4)), reverse=True)
    optional: Any = st.fixed_dictionaries(
        {},
        optional={
            "focus_position": FINITE,
            "exposure_s": FINITE,
            "gain": FINITE,
            "stamp_ns": st.integers(0, 2**62),
            "temperature_c": FINITE,
            "sharpness": FINITE,
            "to_reference": AFFINE,
            "flags": st.lists(st.text(max_size=6), max_size=2).map(tuple),
        },
    )
    frames = []
    for index, focus in enumerate(dioptres):
        distance_m = math.nan if not metric else math.inf if focus < 1e-3 else 1 / focus
        coordinate = None if metric else focus
        frames.append(Frame(f"{index:03}.png", distance_m, coordinate, **draw(optional)))
    return FocalStack(
        path=Path(),
        frames=tuple(frames),
        lens=draw(LENSES) if metric else draw(st.none() | LENSES),
        camera=draw(CAMERAS),
        transfer=draw(st.sampled_from(("srgb", "linear", "gamma"))),
        reference_frame=draw(st.integers(0, len(frames) - 1)),
        metric=metric,
        source=draw(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=3)),
    )


@settings(max_examples=60, deadline=None)
@given(metas(), st.booleans(), st.sampled_from((np.uint8, np.uint16)), st.booleans(), st.integers(0, 2**32 - 1))
def test_round_trip(meta: FocalStack, with_truth: bool, dtype: Any, mono: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    size = (meta.camera.height, meta.camera.width)
    shape = size if mono else (*size, 3)
    images = [random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True) for _ in meta.frames]
    depth_m = np.where(random.random(size) < 0.2, np.nan, random.random(size) + 0.1).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        written = write_stack(Path(folder) / "stack", meta, images, depth_m if with_truth else None)
        read = read_stack(Path(folder) / "stack")
        assert validate_stack(read.path) == []
        assert read == written
        truth_file = "depth.npy" if with_truth else None
        assert read == dataclasses.replace(meta, path=read.path, ground_truth_depth=truth_file)
        for index, image in enumerate(images):
            loaded = load_image(read, index)
            assert loaded.dtype == dtype
            np.testing.assert_array_equal(loaded, image)
        if with_truth:
            np.testing.assert_array_equal(load_ground_truth(read), depth_m)


def test_an_interrupted_write_leaves_no_stack_and_can_be_repeated(tmp_path: Path, samples, monkeypatch) -> None:
    real, calls = writer._replace, []

    def failing(path: Path, content: bytes) -> None:
        calls.append(path.name)
        if path.name == "002.png":
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(writer, "_replace", failing)
    with pytest.raises(StackError, match="expected a writable folder, got .*No space left"):
        samples.write(tmp_path / "s")
    assert not (tmp_path / "s" / "stack.json").exists()
    monkeypatch.setattr(writer, "_replace", lambda path, content: (calls.append(path.name), real(path, content)))
    samples.write(tmp_path / "s")
    assert calls[-1] == "stack.json" and validate_stack(tmp_path / "s") == []


def test_no_partial_files_stay_behind(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "000.png",
        "001.png",
        "002.png",
        "depth.npy",
        "stack.json",
    ]


def test_never_overwrites_a_stack(folder: Path, samples) -> None:
    before = (folder / "000.png").read_bytes()
    with pytest.raises(StackError, match="expected a folder without a stack"):
        write_stack(folder, samples.meta(), samples.images()[::-1])
    assert (folder / "000.png").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference_frame": 5}, r"reference_frame: expected < 3"),
        ({"lens": None}, r"lens: expected lens parameters"),
        ({"frames": (Frame("a.png", math.nan),) * 3}, r"expected finite numbers and plain JSON values"),
        ({"frames": (Frame("../a.png", 1.0),) * 3}, r"frames\[0\].file: expected a name inside the stack folder"),
        ({"frames": (Frame("a.png", 1.0),) * 3}, r"frames\[1\].file: expected a name of its own, got 'a.png' again"),
        ({"source": {"array": np.zeros(2)}}, r"plain JSON values, got .*ndarray"),
        ({"camera": CameraIntrinsics(12, 8, -1.0, 1.0, 0.0, 0.0)}, r"camera.fx: expected greater than 0, got -1.0"),
        ({"ground_truth_depth": "depth.npy"}, r"ground_truth.depth: expected depth_m for 'depth.npy', got nothing"),
    ],
)
def test_refuses_bad_metadata_before_writing(tmp_path: Path, samples, changes: dict, message: str) -> None:
    with pytest.raises(StackError, match=message):
        write_stack(tmp_path / "s", samples.meta(**changes), samples.images())
    assert not (tmp_path / "s").exists()


def test_refuses_bad_arrays_before_writing(tmp_path: Path, samples) -> None:
    good, path = samples.images(), tmp_path / "s"
    with pytest.raises(StackError, match=r"images: expected 3 \(frames\), got 2"):
        write_stack(path, samples.meta(), good[:2])
    with pytest.raises(StackError, match=r"images\[1\]: expected uint8 or uint16 \(8, 12\) or .*, got float32"):
        write_stack(path, samples.meta(), [good[0], good[1].astype(np.float32), good[2]])
    with pytest.raises(StackError, match=r"depth_m: expected float \(8, 12\), got float32 \(12, 8\)"):
        write_stack(path, samples.meta(), good, samples.depth_m().T)
    assert not path.exists()
