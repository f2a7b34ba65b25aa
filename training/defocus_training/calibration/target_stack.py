"""A focal stack of a flat target, and the blur of its frames against the sharpest one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.stacks import load_image
from defocus_depth.types import FloatArray, FocalStack

from ..capture.measures import brightness, linear_pixels, small_luminance
from .blur import SharpPicture, Tiles
from .fit import BlurSamples, LensFit, Vector

InverseDepth = Callable[[Vector], Vector]


@dataclass(frozen=True)
class TargetStack:
    """A stack of a flat target, frames registered to the sharpest one and equally bright.

    Attributes:
        pictures: small linear luminance, (F, h, w); the repetition of the first step is left out.
        positions: the actuator's, (F,).
        sharpest: index of the sharpest frame.
        scale: size of these pictures over that of the stack's.
        magnification: size of each picture, registered, over that which it was taken with (focus breathing), (F,);
            its blur has grown with it.
        inverse_depth_dpt: 1/depth of the target at points (…, 2) px of these pictures; NaN off the target.
    """

    name: str
    pictures: FloatArray
    positions: Vector
    sharpest: int
    scale: float
    magnification: Vector
    inverse_depth_dpt: InverseDepth


def load_target(stack: FocalStack, inverse_depth_dpt: InverseDepth) -> TargetStack:
    """Read, register and equalise the frames of a stack.

    Args:
        inverse_depth_dpt: of the target at points (…, 2) px of the stack's own pictures.

    Raises:
        StackError, ImageError: a frame cannot be read.
    """
    frames = [index for index, frame in enumerate(stack.frames) if frame.repeat_of is None]
    pictures = [small_luminance(linear_pixels(load_image(stack, index), stack.transfer)) for index in frames]
    sharpest = int(np.argmax([stack.frames[index].sharpness or 0.0 for index in frames]))
    scale = pictures[0].shape[1] / stack.camera.width
    affines = [_between(stack, index, frames[sharpest]) for index in frames]
    registered = [_registered(picture, affine, scale) for picture, affine in zip(pictures, affines, strict=True)]
    level = brightness(registered[sharpest])
    return TargetStack(
        name=stack.name,
        pictures=np.stack([picture * np.float32(level / brightness(picture)) for picture in registered]),
        positions=np.array([stack.frames[index].focus_position for index in frames], np.float64),
        sharpest=sharpest,
        scale=scale,
        magnification=np.array([math.sqrt(abs(np.linalg.det(affine[:2, :2]))) for affine in affines]),
        inverse_depth_dpt=lambda points: inverse_depth_dpt((points + 0.5) / scale - 0.5),
    )


def samples_of(
    target: TargetStack, steps: npt.NDArray[np.intp], tiles: Tiles, largest_px: float, fit: LensFit | None
) -> BlurSamples:
    """Blur of every tile of every frame.

    Args:
        steps: index of each frame's position among all positions, (F,).
        fit: an earlier fit, which says how blurred the sharpest frame itself is.
    """
    depths, radius = _where(target, tiles)
    own_px = 0.0 if fit is None else _own_blur_px(fit, int(steps[target.sharpest]), depths)
    sharp = SharpPicture(target.pictures[target.sharpest], largest_px, tiles, own_px)
    parts = []
    for frame, picture in enumerate(target.pictures):
        if frame != target.sharpest:
            size = np.where(np.isfinite(depths), sharp.measure(picture).size_px, np.nan) / target.magnification[frame]
            parts.append((np.full(size.size, steps[frame]), depths.ravel(), radius.ravel(), size.ravel()))
    return BlurSamples(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def joined(samples: list[BlurSamples]) -> BlurSamples:
    """Samples of several targets as one."""
    names = ("step", "inverse_depth_dpt", "radius", "size_px")
    return BlurSamples(*(np.concatenate([getattr(sample, name) for sample in samples]) for name in names))


def _where(target: TargetStack, tiles: Tiles) -> tuple[Vector, Vector]:
    """Inverse depth and radius of each tile; NaN depth where a corner is off the target."""
    height, width = target.pictures.shape[1:]
    centres = tiles.centres_px((height, width))
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    radius = np.linalg.norm(centres - centre, axis=-1) / np.linalg.norm(centre)
    half = 0.5 * np.array(tiles.size_px((height, width)))
    corners = [target.inverse_depth_dpt(centres + half * (x, y)) for x in (-1, 1) for y in (-1, 1)]
    depths = target.inverse_depth_dpt(centres)
    return np.where(np.isfinite(np.sum(corners, axis=0)), depths, np.nan), radius


def _own_blur_px(fit: LensFit, step: int, depths: Vector) -> float:
    own = fit.diameter_px(fit.focus_dpt[step], depths)
    return float(np.nanmedian(own)) if np.isfinite(own).any() else 0.0


def _between(stack: FocalStack, source: int, target: int) -> Vector:
    """3x3 affine from pixels of one frame to those of another: focus breathing."""
    matrices = [
        np.eye(3) if affine is None else np.array([*affine, (0.0, 0.0, 1.0)])
        for affine in (stack.frames[source].to_reference, stack.frames[target].to_reference)
    ]
    return np.linalg.solve(matrices[1], matrices[0]).astype(np.float64)


def _registered(picture: FloatArray, affine: Vector, scale: float) -> FloatArray:
    """The small picture after an affine of the stack's own pixels (cubic, so that it blurs little)."""
    if np.allclose(affine, np.eye(3), atol=1e-9):
        return picture
    shrink = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5], [0, 0, 1]])
    small = shrink @ affine @ np.linalg.inv(shrink)
    size = (picture.shape[1], picture.shape[0])
    warped = cv2.warpAffine(picture, small[:2], size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)
