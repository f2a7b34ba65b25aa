"""Focus breathing and exposure drift: one similarity and one gain per frame, estimated from the pictures.

Neighbouring frames are aligned by enhanced correlation (Evangelidis & Psarakis, "Parametric image alignment using
enhanced correlation coefficient maximization", PAMI 2008), which ignores gain and offset; the steps are chained to the
reference frame. Once a scene is fitted, each frame is aligned to its own rendered picture, which has the same blur.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.errors import StackError
from defocus_depth.types import FloatArray

from .capture import Capture
from .views import DARKEST, LUMINANCE, FloatVector

# Displacements of the corners that are not told from noise, so that nothing is resampled: between neighbouring frames,
# whose blur differs, and between a frame and its rendered picture.
NEGLIGIBLE_SHIFT_PX, NEGLIGIBLE_RENDERED_SHIFT_PX = 2.0, 0.5
NEGLIGIBLE_GAIN = 0.005
_SMOOTHING_PX, _RENDERED_SMOOTHING_PX = 9, 3  # evens out the different blur of neighbouring frames
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
_LEAST_CORRELATION = 0.8
_BRIGHTEST = 0.9  # share of a frame's full scale above which its pixels do not tell its exposure
_EXPOSURE_BLUR_PX = 6.0

Affines = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Registration:
    """How each frame relates to the reference frame.

    Attributes:
        from_reference: similarity from reference pixels to the frame's, (F, 2, 3).
        exposure: the frame's radiance over the reference frame's, (F,).
    """

    from_reference: Affines
    exposure: FloatVector


def unmoved(count: int) -> Registration:
    """Registration of `count` frames that need none."""
    return Registration(np.repeat(np.eye(3)[None, :2], count, 0), np.ones(count))


def register(capture: Capture) -> Registration:
    """Registration from the pictures alone, or from the stack's `to_reference` where frames have one.

    Raises:
        StackError: a `to_reference` that cannot be inverted.
    """
    known = any(frame.to_reference is not None for frame in capture.stack.frames)
    from_reference = _known(capture) if known else _chained(capture)
    pictures = registered_frames(capture, Registration(from_reference, np.ones(len(capture.frames)))) @ LUMINANCE
    reference = pictures[capture.stack.reference_frame]
    return Registration(from_reference, _exposures(capture, pictures, np.broadcast_to(reference, pictures.shape)))


def align_to_rendered(capture: Capture, registration: Registration, rendered: FloatArray) -> Registration:
    """Registration refined against the rendered frames (F, H, W, 3), which lie in the reference's pixels."""
    affines = []
    for frame, picture, start in zip(capture.frames, rendered, registration.from_reference, strict=True):
        found = _aligned(picture, frame, start, _RENDERED_SMOOTHING_PX)
        affines.append(_square(start if found is None else found))
    to_frames = np.stack(affines) @ np.linalg.inv(affines[capture.stack.reference_frame])
    settled = _settled(to_frames[:, :2], capture, NEGLIGIBLE_RENDERED_SHIFT_PX)
    pictures = registered_frames(capture, Registration(settled, np.ones(len(affines)))) @ LUMINANCE
    exposure = _exposures(capture, pictures, rendered @ LUMINANCE)
    return Registration(settled, exposure / exposure[capture.stack.reference_frame])


def registered_frames(capture: Capture, registration: Registration) -> FloatArray:
    """The frames in the reference's pixels and exposure, (F, H, W, 3)."""
    frames = zip(capture.frames, registration.from_reference, registration.exposure, strict=True)
    moved = [
        np.maximum(_warped(frame, affine, cv2.BORDER_REPLICATE), 0) / exposure for frame, affine, exposure in frames
    ]
    return np.stack(moved).astype(np.float32)


def seen(capture: Capture, registration: Registration) -> FloatArray:
    """1 where a frame sees the reference's pixel, else 0, (F, H, W)."""
    whole = np.ones(capture.frames.shape[1:3], np.float32)
    warped = [_warped(whole, affine, cv2.BORDER_CONSTANT) for affine in registration.from_reference]
    return (np.stack(warped) > 0.99).astype(np.float32)


def corner_shift_px(affine: Affines, size: tuple[int, int]) -> float:
    """Largest displacement of a corner of a picture of `size` (height, width)."""
    height, width = size
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)], np.float64)
    return float(np.linalg.norm(corners @ affine.T - corners[:, :2], axis=1).max())


def _known(capture: Capture) -> Affines:
    frames, factor, centre = capture.stack.frames, capture.reduction, (capture.reduction - 1) / 2
    scale = np.array([(factor, 0, centre), (0, factor, centre), (0, 0, 1)])
    to_reference = [np.eye(3) if f.to_reference is None else _square(np.array(f.to_reference)) for f in frames]
    try:
        return np.stack([np.linalg.solve(affine @ scale, scale)[:2] for affine in to_reference]).astype(np.float64)
    except np.linalg.LinAlgError as error:
        raise StackError(f"{capture.stack.path}: to_reference: expected affines that can be inverted") from error


def _chained(capture: Capture) -> Affines:
    """Neighbour to neighbour, outwards from the reference frame."""
    count, reference = len(capture.frames), capture.stack.reference_frame
    affines = [np.eye(3)] * count
    for order in (range(reference + 1, count), range(reference - 1, -1, -1)):
        for index in order:
            before = index - 1 if index > reference else index + 1
            step = _aligned(capture.frames[before], capture.frames[index], np.eye(3)[:2], _SMOOTHING_PX)
            affines[index] = (np.eye(3) if step is None else _square(step)) @ affines[before]
    return _settled(np.stack(affines)[:, :2], capture, NEGLIGIBLE_SHIFT_PX)


def _settled(affines: Affines, capture: Capture, negligible_px: float) -> Affines:
    """Identity for all frames if none moves noticeably."""
    size = capture.frames.shape[1], capture.frames.shape[2]
    moves = max(corner_shift_px(affine, size) for affine in affines) >= negligible_px
    return affines if moves else unmoved(len(affines)).from_reference


def _aligned(template: FloatArray, frame: FloatArray, start: Affines, smoothing: int) -> Affines | None:
    """Similarity from the template's pixels to the frame's; None where no alignment is found."""
    first, second = (np.sqrt(np.maximum(picture @ LUMINANCE, 0)).astype(np.float32) for picture in (template, frame))
    everywhere = np.ones(first.shape, np.uint8)
    try:
        correlation, affine = cv2.findTransformECC(
            first, second, start.astype(np.float32), cv2.MOTION_AFFINE, _CRITERIA, everywhere, smoothing
        )
    except cv2.error:  # it did not converge
        return None
    if correlation < _LEAST_CORRELATION:
        return None
    return _similarity(np.asarray(affine, np.float64), (first.shape[0], first.shape[1]))


def _similarity(affine: Affines, size: tuple[int, int]) -> Affines:
    """The nearest rotation and scale of an affine that takes the picture's centre to the same place."""
    cosine, sine = (affine[0, 0] + affine[1, 1]) / 2, (affine[1, 0] - affine[0, 1]) / 2
    turned = np.array([[cosine, -sine], [sine, cosine]])
    centre = np.array([size[1] / 2, size[0] / 2])
    return np.column_stack([turned, affine[:, :2] @ centre + affine[:, 2] - turned @ centre])


def _exposures(capture: Capture, pictures: FloatArray, targets: FloatArray) -> FloatVector:
    """Median ratio of blurred luminance (F, H, W); 1 where the drift is negligible."""
    ratios = []
    for picture, target, full_scale in zip(pictures, targets, capture.saturated, strict=True):
        a, b = (
            cv2.GaussianBlur(np.ascontiguousarray(values), (0, 0), _EXPOSURE_BLUR_PX) for values in (picture, target)
        )
        usable = (b > DARKEST) & (np.maximum(a, b) < _BRIGHTEST * full_scale)
        ratios.append(float(np.median(a[usable] / b[usable])) if usable.any() else 1.0)
    exposure = np.array(ratios)
    return np.where(np.abs(exposure - 1) < NEGLIGIBLE_GAIN, 1.0, exposure)


def _warped(picture: FloatArray, affine: Affines, border: int) -> FloatArray:
    if np.allclose(affine, np.eye(3)[:2]):
        return picture
    size = (picture.shape[1], picture.shape[0])
    interpolation = cv2.INTER_CUBIC if picture.ndim == 3 else cv2.INTER_LINEAR
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, affine, size, flags=flags, borderMode=border), np.float32)


def _square(affine: Affines) -> Affines:
    return np.vstack([affine, [0.0, 0.0, 1.0]])
