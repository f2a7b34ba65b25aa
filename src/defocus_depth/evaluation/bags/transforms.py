"""Where frames are to each other: what /tf_static says, or a YAML file.

transforms:
  - {parent: camera_color_optical_frame, child: camera_depth_optical_frame,
     translation_m: [0.015, 0.0, 0.0], rotation_xyzw: [0.0, 0.0, 0.0, 1.0]}
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel

from ...checked_input import CHECKED, read_yaml

Matrix = npt.NDArray[np.float64]
_LEAST_NORM = 1e-6


@dataclass(frozen=True)
class Transform:
    """A rigid transform; `parent_from_child` (4, 4) takes points of the child's frame into the parent's, metres."""

    parent: str
    child: str
    parent_from_child: Matrix


def _not_zero(quaternion: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    if np.linalg.norm(quaternion) < _LEAST_NORM:
        raise ValueError(f"expected a quaternion x, y, z, w that is not zero, got {list(quaternion)}")
    return quaternion


class _TransformFields(BaseModel):
    model_config = CHECKED
    parent: str
    child: str
    translation_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_xyzw: Annotated[tuple[float, float, float, float], AfterValidator(_not_zero)] = (0.0, 0.0, 0.0, 1.0)


class _FileFields(BaseModel):
    model_config = CHECKED
    transforms: list[_TransformFields]


def read_transforms(path: Path) -> tuple[Transform, ...]:
    """The transforms in a YAML file.

    Raises:
        ConfigError: no such file, not YAML, or not such transforms: names file, field, expected, actual.
    """
    fields = read_yaml(path, _FileFields, "YAML file")
    return tuple(
        Transform(_name(item.parent), _name(item.child), _matrix(item.translation_m, item.rotation_xyzw))
        for item in fields.transforms
    )


def transforms_of(message: Any) -> list[Transform]:
    """The transforms of a tf2_msgs/TFMessage; those with a rotation of zero are left out, as tf2 does."""
    found = []
    for stamped in message.transforms:
        moved, turned = stamped.transform.translation, stamped.transform.rotation
        quaternion = (turned.x, turned.y, turned.z, turned.w)
        if np.linalg.norm(quaternion) >= _LEAST_NORM:
            matrix = _matrix((moved.x, moved.y, moved.z), quaternion)
            found.append(Transform(_name(stamped.header.frame_id), _name(stamped.child_frame_id), matrix))
    return found


class TransformTree:
    """Transforms by frame; later ones replace earlier ones between the same two frames."""

    def __init__(self, transforms: Iterable[Transform] = ()) -> None:
        self._next: dict[str, dict[str, Matrix]] = {}
        for transform in transforms:
            self.add(transform)

    def add(self, transform: Transform) -> None:
        """Learn a transform, and its inverse."""
        matrix = transform.parent_from_child
        self._next.setdefault(transform.child, {})[transform.parent] = matrix
        self._next.setdefault(transform.parent, {})[transform.child] = np.asarray(np.linalg.inv(matrix), np.float64)

    def find(self, target: str, source: str) -> Matrix | None:
        """(4, 4) that takes points of the source frame into the target frame; None: they are not connected."""
        target, source = _name(target), _name(source)
        found: dict[str, Matrix] = {source: np.eye(4)}
        waiting = deque([source])
        while waiting and target not in found:
            frame = waiting.popleft()
            for neighbour, matrix in self._next.get(frame, {}).items():
                if neighbour not in found:
                    found[neighbour] = matrix @ found[frame]
                    waiting.append(neighbour)
        return found.get(target)


def _name(frame_id: str) -> str:
    return frame_id.lstrip("/")  # ROS 1 wrote them with a slash


def _matrix(translation_m: tuple[float, float, float], xyzw: tuple[float, float, float, float]) -> Matrix:
    norm = math.hypot(*xyzw)
    x, y, z, w = (value / norm for value in xyzw)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = np.array(translation_m)
    return matrix
