"""Which depth the target has in each stack: told by the user, or by the chart in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from defocus_depth.errors import ConfigError
from defocus_depth.stacks import load_image
from defocus_depth.types import CameraIntrinsics, FocalStack

from .chart import Chart
from .fit import Vector
from .intrinsics import calibrate_camera, chart_pose, find_chart
from .target_stack import TargetStack, load_target

Region = tuple[float, float, float, float]


@dataclass(frozen=True)
class ChartTargets:
    """Stacks of the chart, and the intrinsics that its pose was told with.

    Attributes:
        reprojection_error_px: of intrinsics calibrated from these stacks; None: they were known.
        distances_m: of the chart's middle in each stack.
    """

    targets: tuple[TargetStack, ...]
    camera: CameraIntrinsics
    reprojection_error_px: float | None
    distances_m: tuple[float, ...]


def targets_at(stacks: Sequence[FocalStack], distances_m: Sequence[float], region: Region) -> tuple[TargetStack, ...]:
    """Stacks of a flat target square to the optical axis, at known distances (m).

    Args:
        region: left, top, right, bottom of the target in shares of the picture.

    Raises:
        ConfigError: another number of distances than of stacks, or distances that are none.
    """
    if len(stacks) != len(distances_m):
        raise ConfigError(f"target distances: expected one for each of {len(stacks)} stacks, got {len(distances_m)}")
    if not all(0 < distance < np.inf for distance in distances_m):
        raise ConfigError(f"target distances: expected finite numbers > 0, got {list(distances_m)}")
    return tuple(
        load_target(stack, partial(_flat, 1 / distance, region, (stack.camera.width, stack.camera.height)))
        for stack, distance in zip(stacks, distances_m, strict=True)
    )


def targets_by_chart(stacks: Sequence[FocalStack], chart: Chart, known: CameraIntrinsics | None) -> ChartTargets:
    """Stacks of the printed chart at unknown distances and tilts.

    Args:
        known: intrinsics at the stacks' size; None: calibrated from these stacks.

    Raises:
        ConfigError: a stack in which the chart is not seen, or too few views to calibrate from.
    """
    views = [find_chart(load_image(stack, sharpest_frame(stack)), chart, stack.name) for stack in stacks]
    camera, error_px = known, None
    if camera is None:
        camera, error_px = calibrate_camera(views, (stacks[0].camera.width, stacks[0].camera.height))
    poses = [chart_pose(view, camera) for view in views]
    targets = [
        load_target(stack, partial(pose.inverse_depth_dpt, chart, camera))
        for stack, pose in zip(stacks, poses, strict=True)
    ]
    middle = chart.printed_area_m().mean(axis=0)
    distances = tuple(float((pose.rotation[:, :2] @ middle + pose.translation_m)[2]) for pose in poses)
    return ChartTargets(tuple(targets), camera, error_px, distances)


def sharpest_frame(stack: FocalStack) -> int:
    """Index of the sharpest frame."""
    return int(np.argmax([frame.sharpness or 0.0 for frame in stack.frames]))


def _flat(inverse_depth_dpt: float, region: Region, size: tuple[int, int], points_px: Vector) -> Vector:
    shares = (points_px + 0.5) / np.array(size)
    inside = np.all((shares >= region[:2]) & (shares <= region[2:]), axis=-1)
    return np.where(inside, inverse_depth_dpt, np.nan)
