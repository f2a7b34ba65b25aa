"""Makes a recording of a sharp RGB-D camera usable: the lens's blur is rendered into its images first."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np

from ...optics import from_linear, to_linear
from ...simulation.rgbd import render_defocus
from ...types import ImageArray
from .samples import BagSample


def with_rendered_defocus(sample: BagSample) -> BagSample:
    """The sample as the lens of its request would have taken it, by its ground truth; 8 or 16 bit as before.

    Raises:
        ImageError: no ground truth is known at any pixel.
    """
    image = sample.image if sample.image.ndim == 3 else np.repeat(sample.image[..., None], 3, axis=2)
    white = np.iinfo(image.dtype).max
    radiance = np.asarray(to_linear(_unit(image, white), sample.transfer), np.float32)
    blurred = render_defocus(radiance, sample.truth_depth_m, sample.focus_distance_m, sample.lens)
    encoded = np.clip(from_linear(blurred, sample.transfer), 0, 1) * white
    rounded = np.rint(encoded).astype(image.dtype)
    return dataclasses.replace(sample, image=rounded if sample.image.ndim == 3 else _grey(rounded))


def _unit(image: ImageArray, white: int) -> Any:
    return image.astype(np.float32) / np.float32(white)


def _grey(image: ImageArray) -> ImageArray:
    """All channels of a grey image are equal."""
    return np.ascontiguousarray(cv2.extractChannel(image, 0))
