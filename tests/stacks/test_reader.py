from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ImageError, StackError
from defocus_depth.stacks import find_stacks, load_ground_truth, load_image, read_stack

FRAMES = [{"file": f"{index:03}.png", "focus_distance_m": value} for index, value in enumerate((0.35, 1.0, None))]


def test_null_focus_distance_is_infinity_and_defaults_hold(folder: Path, samples) -> None:
    samples.edit_json(folder, transfer=..., reference_frame=...)
    stack = read_stack(folder)
    assert [frame.focus_distance_m for frame in stack.frames] == [0.35, 1.0, math.inf]
    assert (stack.transfer, stack.reference_frame, stack.metric, stack.lens) == ("srgb", 0, True, samples.lens)


def test_unknown_keys_are_tolerated_and_kept_out(folder: Path, samples) -> None:
    before = read_stack(folder)
    camera = json.loads((folder / "stack.json").read_text())["camera"] | {"model": "x", "distortion": None}
    frames = [frame | {"mood": 3} for frame in FRAMES]
    samples.edit_json(folder, weather="rain", camera=camera, frames=frames)
    assert read_stack(folder) == before


def test_lens_as_blur_gain(folder: Path, samples) -> None:
    samples.edit_json(folder, lens={"blur_gain_px_per_dpt": 7.5, "image_width_px": 320})
    lens = read_stack(folder).lens
    assert lens is not None and (lens.blur_gain_px_per_dpt, lens.image_width_px, lens.f_number) == (7.5, 320, None)


def test_stack_without_distances_has_nan_not_metres(folder: Path, samples) -> None:
    frames = [
        {"file": f"{index:03}.png", "focus_coordinate": 30 - index, "focus_distance_m": 1.0} for index in range(3)
    ]
    samples.edit_json(folder, metric=False, lens=..., frames=frames)
    stack = read_stack(folder)
    assert not stack.metric and stack.lens is None
    assert all(math.isnan(frame.focus_distance_m) for frame in stack.frames)
    assert [frame.focus_coordinate for frame in stack.frames] == [30, 29, 28]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, r"stack.json: schema: expected 1, got 2"),
        ({"schema": ...}, r"stack.json: schema: expected a value, got nothing"),
        ({"lens": ...}, r"stack.json: lens: expected lens parameters \(metric stack\), got nothing"),
        ({"lens": {"focal_length_m": 0.008}}, r"lens: .*expected focal_length_m, f_number and pixel_pitch_m"),
        ({"lens": {"blur_gain_px_per_dpt": -1}}, r"blur_gain_px_per_dpt: expected a finite number > 0, got -1"),
        ({"lens": {"blur_gain_px_per_dpt": "7"}}, r"lens.blur_gain_px_per_dpt: expected a valid number, got '7'"),
        ({"transfer": "log"}, r"transfer: expected 'srgb', 'linear' or 'gamma', got 'log'"),
        ({"reference_frame": 3}, r"reference_frame: expected < 3 \(the frames\), got 3"),
        ({"reference_frame": -1}, r"reference_frame: expected greater than or equal to 0, got -1"),
        ({"frames": []}, r"stack.json: frames: .*got \[\]"),
        ({"frames": [{"file": "000.png"}]}, r"frames\[0\].focus_distance_m: expected metres, or null"),
        ({"frames": [FRAMES[0] | {"focus_distance_m": 0}]}, r"frames\[0\].focus_distance_m: expected greater than 0"),
        ({"frames": [FRAMES[0] | {"focus_distance_m": 0.005}]}, r"frames\[0\].focus_distance_m: .*beyond the focal"),
        ({"frames": [FRAMES[1], FRAMES[0]]}, r"frames\[1\].focus_distance_m: expected nearest focus first"),
        ({"frames": [FRAMES[0] | {"file": "000.jpg"}]}, r"frames\[0\].file: expected a .png file, got '000.jpg'"),
        ({"frames": [FRAMES[0] | {"repeat_of": 0}]}, r"frames\[0\].repeat_of: expected another frame"),
        ({"frames": [FRAMES[0] | {"to_reference": [[1, 0, 0]]}]}, r"frames\[0\].to_reference\[1\]: expected a value"),
        ({"metric": False}, r"frames\[0\].focus_coordinate: expected a number \(metric: false\), got nothing"),
        ({"ground_truth": {"depth": "depth.txt"}}, r"ground_truth.depth: expected a .npy file, got 'depth.txt'"),
    ],
)
def test_refuses_with_field_expected_and_actual(folder: Path, samples, changes: dict, message: str) -> None:
    samples.edit_json(folder, **changes)
    with pytest.raises(StackError, match=message):
        read_stack(folder)


def test_a_bad_camera_names_the_field(folder: Path, samples) -> None:
    samples.edit_json(folder, camera={"width": 0, "height": 8, "fx": 20.0, "fy": 20.0, "cx": 5.5, "cy": 3.5})
    with pytest.raises(StackError, match=r"stack.json: camera.width: expected greater than 0, got 0"):
        read_stack(folder)


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/secret.png", "a/../../secret.png", "..\\secret.png", "a\0.png"]
)
def test_refuses_names_that_lead_out_of_the_folder(folder: Path, samples, name: str) -> None:
    samples.edit_json(folder, frames=[FRAMES[0] | {"file": name}])
    with pytest.raises(StackError, match=r"frames\[0\].file: expected a name inside the stack folder"):
        read_stack(folder)


@pytest.mark.parametrize(("field", "name"), [("frames[0].file", "000.png"), ("ground_truth.depth", "depth.npy")])
def test_refuses_links_that_lead_out_of_the_folder(folder: Path, field: str, name: str) -> None:
    shutil.move(folder / name, folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)
    with pytest.raises(StackError) as caught:
        read_stack(folder)
    assert f"{field}: expected a file inside the stack folder, got {name!r}" in str(caught.value)


def test_a_link_swapped_in_after_reading_is_refused_too(folder: Path) -> None:
    stack = read_stack(folder)
    shutil.move(folder / "000.png", folder.parent / "000.png")
    (folder / "000.png").symlink_to(folder.parent / "000.png")
    with pytest.raises(StackError, match="inside the stack folder"):
        load_image(stack, 0)


def test_refuses_a_linked_stack_json_but_follows_linked_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(folder)
    assert read_stack(tmp_path / "set" / "linked").frames == read_stack(folder).frames
    assert load_image(read_stack(tmp_path / "set" / "linked"), 0).shape == (8, 12, 3)
    shutil.move(folder / "stack.json", tmp_path / "stack.json")
    (folder / "stack.json").symlink_to(tmp_path / "stack.json")
    with pytest.raises(StackError, match="expected a file inside the stack folder, got 'stack.json'"):
        read_stack(folder)


def test_missing_or_broken_json(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"nowhere/stack.json: expected a readable file, got No such file"):
        read_stack(tmp_path / "nowhere")
    (folder / "stack.json").write_text('{"schema": 1,')
    with pytest.raises(StackError, match=r"stack.json: expected JSON, got EOF"):
        read_stack(folder)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", ["mono", "RGB", "RGBA"])
def test_load_image_gives_stored_values_as_rgb(folder: Path, dtype: type, channels: str) -> None:
    rgb = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (8, 12, 3)).astype(dtype)
    stored = {"mono": rgb[..., 0], "RGB": rgb[..., ::-1], "RGBA": np.dstack([rgb[..., ::-1], rgb[..., :1]])}[channels]
    cv2.imwrite(str(folder / "000.png"), stored)
    expected = rgb[..., 0] if channels == "mono" else rgb
    loaded = load_image(read_stack(folder), 0)
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, expected)


def test_load_image_refusals(folder: Path) -> None:
    stack = read_stack(folder)
    with pytest.raises(StackError, match=r"frame index: expected 0..2, got 3"):
        load_image(stack, 3)
    (folder / "000.png").write_bytes((folder / "001.png").read_bytes()[:20])
    with pytest.raises(ImageError, match=r"000.png: expected an 8- or 16-bit image"):
        load_image(stack, 0)
    (folder / "000.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"000.png: expected an 8- or 16-bit image"):
        load_image(stack, 0)
    cv2.imwrite(str(folder / "001.png"), np.zeros((8, 11, 3), np.uint8))
    with pytest.raises(StackError, match=r"001.png: size: expected 12x8 \(camera\), got 11x8"):
        load_image(stack, 1)
    (folder / "002.png").unlink()
    with pytest.raises(ImageError, match=r"002.png: expected an image file, got No such file"):
        load_image(stack, 2)


def test_ground_truth_is_nan_wherever_it_is_no_depth(folder: Path, samples) -> None:
    depth_m = samples.depth_m().astype(np.float64)
    depth_m[1, :3] = 0.0, -1.0, np.inf
    np.save(folder / "depth.npy", depth_m)
    loaded = load_ground_truth(read_stack(folder))
    assert loaded is not None and loaded.dtype == np.float32
    assert np.isnan(loaded[1, :3]).all() and np.isnan(loaded[0, 0])
    np.testing.assert_array_equal(loaded[2:], samples.depth_m()[2:])


def test_ground_truth_refusals(folder: Path, samples) -> None:
    stack = read_stack(folder)
    np.save(folder / "depth.npy", np.ones((8, 12), np.uint16))
    with pytest.raises(StackError, match=r"depth.npy: ground_truth.depth: expected float32, got uint16"):
        load_ground_truth(stack)
    np.save(folder / "depth.npy", np.ones((12, 8), np.float32))
    with pytest.raises(StackError, match=r"depth.npy: size: expected 12x8 \(camera\), got 8x12"):
        load_ground_truth(stack)
    np.save(folder / "depth.npy", np.array([{"code": 1}]), allow_pickle=True)
    with pytest.raises(StackError, match=r"depth.npy: ground_truth.depth: expected a float32 .npy file"):
        load_ground_truth(stack)
    samples.edit_json(folder, ground_truth=...)
    assert load_ground_truth(read_stack(folder)) is None


def test_find_stacks_sorts_follows_links_and_skips_the_rest(tmp_path: Path, samples) -> None:
    data = tmp_path / "data"
    samples.write(data / "b")
    samples.write(tmp_path / "elsewhere")
    (data / "a").symlink_to(tmp_path / "elsewhere")
    (data / "unfinished").mkdir()
    (data / "notes.txt").write_text("")
    assert find_stacks(data) == [data / "a", data / "b"]
    assert find_stacks(data / "b") == [data / "b"]
    assert find_stacks(data / "unfinished") == []
    with pytest.raises(StackError, match="expected a folder of focal stacks, got a file"):
        find_stacks(data / "notes.txt")
    with pytest.raises(StackError, match="expected a folder of focal stacks, got nothing"):
        find_stacks(data / "nothing")


def test_repeated_frames_may_break_the_order(folder: Path, samples) -> None:
    samples.edit_json(folder, frames=[*FRAMES[:2], FRAMES[2] | {"focus_distance_m": 0.35, "repeat_of": 0}])
    assert read_stack(folder).frames[2].repeat_of == 0
