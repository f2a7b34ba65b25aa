"""The examples in docs/formats.md are what the readers take."""

import re
from pathlib import Path

import cv2
import numpy as np

from defocus_depth.optics import blur_gain_px_per_dpt, focus_dpt
from defocus_depth.optics.lens_file import read_lens
from defocus_depth.stacks import load_image, read_stack

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return text


def test_lens_example_is_the_robot_lens_at_640_px(tmp_path: Path) -> None:
    (tmp_path / "lens.yaml").write_text(example("yaml"), encoding="utf-8")
    lens_file = read_lens(tmp_path / "lens.yaml")
    assert lens_file.near_focus_distance_m == 0.35
    focus = focus_dpt(0.35, lens_file.lens)
    assert blur_gain_px_per_dpt(lens_file.lens, focus, 320) * 2 == blur_gain_px_per_dpt(lens_file.lens, focus, 640)


def test_stack_example_is_a_stack(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(example("json"), encoding="utf-8")
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"00{index}.png"), np.full((240, 320, 3), 80, np.uint8))
    np.save(tmp_path / "depth.npy", np.ones((240, 320), np.float32))
    stack = read_stack(tmp_path)
    assert [frame.focus_distance_m for frame in stack.frames] == [0.35, 0.65, float("inf")]
    assert load_image(stack, 2).shape == (240, 320, 3)


def test_every_field_of_both_files_is_documented() -> None:
    from defocus_depth.optics.lens_file import _LensFileFields
    from defocus_depth.stacks.schema import OPTIONAL_FRAME_FIELDS, StackFields
    from defocus_depth.types import LensParameters

    stack_fields = {field.alias or name for name, field in StackFields.model_fields.items()} - {"source"}
    names = {*LensParameters.__dataclass_fields__, *_LensFileFields.model_fields, *OPTIONAL_FRAME_FIELDS, *stack_fields}
    assert sorted(name for name in names if name not in PAGE) == []
