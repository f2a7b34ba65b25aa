from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.bags.transforms import Transform, TransformTree, read_transforms, transforms_of

numbers = st.floats(-5, 5)


def stamped(parent: str, child: str, moved: tuple, turned: tuple) -> SimpleNamespace:
    transform = SimpleNamespace(
        translation=SimpleNamespace(**dict(zip("xyz", moved, strict=True))),
        rotation=SimpleNamespace(**dict(zip("xyzw", turned, strict=True))),
    )
    return SimpleNamespace(header=SimpleNamespace(frame_id=parent), child_frame_id=child, transform=transform)


@settings(deadline=None)
@given(st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers))
def test_rotations_are_those_of_opencv(axis_angle: tuple, moved: tuple) -> None:
    angle = np.linalg.norm(axis_angle)
    axis = np.array(axis_angle) / angle if angle > 1e-9 else np.array([1.0, 0, 0])
    quaternion = (*(axis * np.sin(angle / 2)), np.cos(angle / 2))
    (found,) = transforms_of(SimpleNamespace(transforms=[stamped("/a", "b", moved, quaternion)]))
    assert (found.parent, found.child) == ("a", "b")
    expected = cv2.Rodrigues(axis * angle)[0]
    np.testing.assert_allclose(found.parent_from_child[:3, :3], expected, atol=1e-9)
    np.testing.assert_allclose(found.parent_from_child[:3, 3], moved)


def moved_by(parent: str, child: str, x: float) -> Transform:
    matrix = np.eye(4)
    matrix[0, 3] = x
    return Transform(parent, child, matrix)


def test_frames_are_connected_over_their_common_ancestors() -> None:
    tree = TransformTree([moved_by("base", "colour", 1.0), moved_by("base", "rig", 2.0), moved_by("rig", "depth", 0.5)])
    found = tree.find("/colour", "depth")
    assert found is not None
    np.testing.assert_allclose(found @ [0, 0, 1, 1], [1.5, 0, 1, 1])
    back = tree.find("depth", "colour")
    assert back is not None
    np.testing.assert_allclose(found @ back, np.eye(4), atol=1e-12)
    assert tree.find("colour", "elsewhere") is None
    assert tree.find("unknown", "unknown") is not None  # a frame is where it is


def test_a_yaml_file_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "extrinsics.yaml"
    path.write_text("transforms: [{parent: a, child: b, translation_m: [1, 2, 3]}]")
    (transform,) = read_transforms(path)
    np.testing.assert_allclose(transform.parent_from_child @ [0, 0, 0, 1], [1, 2, 3, 1])
    for content, expected in {
        "transforms: [{parent: a}]": r"transforms\[0\].child: expected a value, got nothing",
        "transforms: [{parent: a, child: b, rotation_xyzw: [0, 0, 0, 0]}]": "a quaternion x, y, z, w that is not zero",
        "{": "expected YAML",
    }.items():
        path.write_text(content)
        with pytest.raises(ConfigError, match=expected):
            read_transforms(path)
    with pytest.raises(ConfigError, match="none.yaml: expected a readable YAML file"):
        read_transforms(tmp_path / "none.yaml")
