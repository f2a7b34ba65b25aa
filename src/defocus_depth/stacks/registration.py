"""Brings frames and ground truth of a stack into one frame's pixels (focus breathing, small drifts)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import StackError
from ..types import Affine2x3, FloatArray, FocalStack, ImageArray
from .reader import load_ground_truth, load_image


def load_registered_image(stack: FocalStack, source: int, target: int) -> ImageArray:
    """Frame `source` resampled into the pixels of frame `target`; dtype and channels as stored.

    Raises:
        StackError, ImageError: as `load_image`, or a `to_reference` that cannot be inverted.
    """
    image = load_image(stack, source)
    between = _between(stack, source, target)
    if between is None:
        return image
    size = (stack.camera.width, stack.camera.height)
    return cv2.warpAffine(image, between, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def load_frame_truth(stack: FocalStack, index: int) -> FloatArray | None:
    """Ground-truth depth (m) in the pixels of frame `index`, float32 (H, W); NaN where unknown; None without truth.

    Nearest pixels, never mixtures of two depths.

    Raises:
        StackError: as `load_ground_truth`, or a `to_reference` that cannot be inverted.
    """
    depth_m = load_ground_truth(stack)
    between = _between(stack, stack.reference_frame, index)
    if depth_m is None or between is None:
        return depth_m
    size = (stack.camera.width, stack.camera.height)
    warped = cv2.warpAffine(depth_m, between, size, flags=cv2.INTER_NEAREST, borderValue=float("nan"))
    return np.asarray(warped, np.float32)


def _between(stack: FocalStack, source: int, target: int) -> npt.NDArray[Any] | None:
    """2x3 affine from pixels of `source` to pixels of `target`; None where it is the identity."""
    to_reference = [_square(stack.frames[index].to_reference) for index in (source, target)]
    try:
        between = np.linalg.solve(to_reference[1], to_reference[0])
    except np.linalg.LinAlgError as error:
        raise StackError(
            f"{stack.path}: frames[{target}].to_reference: expected an invertible affine, "
            f"got {stack.frames[target].to_reference}"
        ) from error
    return None if np.allclose(between, np.eye(3), atol=1e-9) else between[:2]


def _square(affine: Affine2x3 | None) -> npt.NDArray[np.float64]:
    return np.eye(3) if affine is None else np.array([*affine, (0.0, 0.0, 1.0)])
