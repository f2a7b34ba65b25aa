from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.optics import blur_gain_px_per_dpt as gain
from defocus_depth.optics.focus_curve import FocusCurve
from defocus_depth.optics.lens_file import LensFile, find_lens, read_lens, write_lens
from defocus_depth.types import CameraIntrinsics, LensParameters

LENSES = Path(__file__).parents[2] / "config" / "lenses"
LENS = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
FULL = LensFile(
    LENS,
    near_focus_distance_m=0.35,
    camera=CameraIntrinsics(640, 480, 500.0, 501.0, 319.5, 239.5, (0.1, -0.2, 0.0, 0.0, 0.01)),
    focus_curve=FocusCurve("monotone", (10.0, 20.0, 35.5), (0.0, 1.5, 3.25)),
    calibration={"date": datetime.date(2026, 11, 3), "temperature_c": 21.5, "residuals_dpt": [0.01, -0.02, 1e-7]},
)


@pytest.mark.parametrize("lens_file", [FULL, LensFile(LENS), LensFile(LensParameters(blur_gain_px_per_dpt=7.5e-7))])
def test_round_trip(tmp_path: Path, lens_file: LensFile) -> None:
    write_lens(tmp_path / "new" / "lens.yaml", lens_file)
    assert read_lens(tmp_path / "new" / "lens.yaml") == lens_file
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lens.yaml"]


def test_shipped_lenses() -> None:
    files = {path.stem: read_lens(path) for path in LENSES.glob("*.yaml")}
    near_m = {name: files[name].near_focus_distance_m for name in ("robot", "nyu", "macro")}
    assert near_m == {"robot": 0.35, "nyu": 1.0, "macro": 0.12}
    assert files["robot"].lens == LENS
    # f²/(N·p), from the data sheets: 64e-6/(1.4·6e-6), 2.5e-3/(8·12e-6), 144e-6/(8·5e-6)
    for name, constant in (("robot", 7.619), ("nyu", 26.04), ("macro", 3.6)):
        assert gain(files[name].lens, 0.0, 320) == pytest.approx(constant, rel=1e-3)


def test_numbers_that_yaml_1_1_takes_for_text(tmp_path: Path) -> None:
    file = tmp_path / "lens.yaml"
    file.write_text("lens: {focal_length_m: 8e-3, f_number: 2, pixel_pitch_m: 3e-6}\n")
    assert read_lens(file).lens == LensParameters(focal_length_m=0.008, f_number=2.0, pixel_pitch_m=3e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lens: {blur_gain_px_per_dpt: 0}", r"lens.yaml: lens: .*blur_gain_px_per_dpt: expected .* > 0, got 0"),
        ("lens: {blur_gain_px_per_dpt: .nan}", r"lens.blur_gain_px_per_dpt: expected a finite number, got nan"),
        ("lens: {focal_length_m: wide}", r"lens.focal_length_m: expected a valid number, .*got 'wide'"),
        ("camera: {}", r"lens: expected a value, got nothing"),
        (
            "lens: {blur_gain_px_per_dpt: 1}\nnear_focus_distance_m: -1",
            r"near_focus_distance_m: expected greater than 0",
        ),
        (
            "lens: {focal_length_m: 0.5, f_number: 2, pixel_pitch_m: 1.0e-6}\nnear_focus_distance_m: 0.4",
            r"near_focus_distance_m: .*expected beyond the focal length 0.5 m, got 0.4",
        ),
        ("lens: {blur_gain_px_per_dpt: 1}\nfocus_curve: {kind: affine, positions: [1], dioptres: [2]}", "at least 2"),
        (
            "lens: {focal_length_m: 0.008, f_number: 1.4, pixel_pitch_m: 3.0e-6, image_width: 640}",
            r"lens.yaml: lens: expected fields out of .*image_width_px.*, got image_width$",
        ),
        (
            "lens: {blur_gain_px_per_dpt: 1}\ncamera: {width: 4, height: 3, fx: 1, fy: 1, cx: 1, cy: 1, skew: 3}",
            r"camera.skew: .*not permitted, got 3",
        ),
        (
            "lens: {focal_length_m: 1.0, f_number: 1.0e-200, pixel_pitch_m: 1.0e-200, blur_gain_px_per_dpt: 1}",
            "expected numbers that can be computed with",
        ),
        ("lens: {blur_gain_px_per_dpt: 1}\nnear_focus_m: 0.3", r"near_focus_m: .*not permitted, got 0.3"),
        (
            "lens: {focal_length_m: 0.008, f_number: 1.4, pixel_pitch_m: 6.0e-6, blur_gain_px_per_dpt: 60}",
            r"lens: blur_gain_px_per_dpt: expected about f²/\(N·p\) = 7.619, .* got 60",
        ),
        ("lens: [", r"lens.yaml: expected YAML, got"),
        ("", r"lens.yaml: expected .*got None"),
    ],
)
def test_refusals_name_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lens.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_lens(tmp_path / "lens.yaml")


def test_a_name_stands_for_a_shipped_lens_and_anything_else_for_a_path() -> None:
    assert find_lens("robot") == LENSES / "robot.yaml"
    for path in ("mine.yaml", "./robot", "/data/robot"):
        assert find_lens(path) == Path(path)


def test_a_mistyped_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="^lens: expected one of macro, nyu, robot, or the path .*, got 'nolens'$"):
        find_lens("nolens")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no.yaml: expected a readable lens YAML, got No such file"):
        read_lens(tmp_path / "no.yaml")


def test_a_refused_write_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "lens.yaml"
    write_lens(file, FULL)
    with pytest.raises(ConfigError, match="plain YAML values"):
        write_lens(file, LensFile(LENS, calibration={"object": object()}))
    with pytest.raises(ConfigError, match="near_focus_distance_m"):
        write_lens(file, LensFile(LENS, near_focus_distance_m=0.001))
    assert read_lens(file) == FULL
    assert [path.name for path in tmp_path.iterdir()] == ["lens.yaml"]
