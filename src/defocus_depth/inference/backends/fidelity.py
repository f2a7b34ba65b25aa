"""Is an engine or a quantised graph still the network? Its maps are compared with the CPU's on packaged frames.

Reduced precision fails in ways that a look at one picture does not show: depths scaled by a factor that changes from
frame to frame, NaN where a small number was divided by. What is beyond the limits is not used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import BackendError, BackendUnavailableError
from ...image_files import read_image
from ...types import FloatArray
from .base import Backend, BackendRequest

FRAMES = Path(__file__).resolve().parents[2] / "models"
_PATTERN = "gate_*.png"
# The packaged frames: the lens of config/lenses/robot.yaml, 320 px wide, focused at 0.35 m, and nothing nearer.
_FRAME_GAIN_PX_PER_DPT, _FRAME_FOCUS_DPT, _FRAME_NEAREST_DPT = 7.797, 2.857, 2.857
REFERENCES = ("openvino", "onnxruntime")

Maps = Mapping[str, FloatArray]
Run = Callable[[FloatArray, FloatArray], Maps]


@dataclass(frozen=True)
class Fidelity:
    """How far an engine's maps are from the reference's; each field is 0 for the same maps.

    Attributes:
        not_finite: share of values that are NaN or infinite.
        scale: largest departure from 1, of all frames, of the median of depth over reference depth.
        scale_spread: how much that median changes from frame to frame.
        depth: mean relative difference of depth.
        depth_p99: 99th percentile of it.
        coc_px: mean difference of the CoC, px of the working image.
        confidence: mean difference.
    """

    not_finite: float
    scale: float
    scale_spread: float
    depth: float
    depth_p99: float
    coc_px: float
    confidence: float

    def beyond(self, limits: Fidelity) -> list[str]:
        """What is beyond its limit, in words."""
        pairs = zip(dataclasses.asdict(self).items(), dataclasses.astuple(limits), strict=True)
        return [f"{name} {value:.3g}, at most {limit:g}" for (name, value), limit in pairs if not value <= limit]


# float32 allows TF32 (10 bits of mantissa in products, like f16). For an earlier release torch on an NVIDIA H100 finds
# at most 1.3e-4, 1.3e-4, 1.1e-4, 4e-4, 9e-4, 8e-5 in f32; the CPU, at 160x128 to 640x480 px, finds 4e-4, 6e-4, 3e-4,
# 7e-4, 0.002, 1e-4 in f16 and 0.027, 0.031, 0.022, 0.077, 0.16, 0.012 in int8.
LIMITS = {
    "f32": Fidelity(0, 0.005, 0.005, 0.01, 0.05, 0.05, 0.01),
    "f16": Fidelity(0, 0.01, 0.01, 0.02, 0.1, 0.1, 0.02),
    "int8": Fidelity(0, 0.05, 0.05, 0.05, 0.2, 0.4, 0.05),
}


def gate_inputs(height: int, width: int) -> list[tuple[FloatArray, FloatArray]]:
    """The packaged frames as the network's inputs `image` [1, 3, height, width] and `lens` [1, 3].

    Raises:
        BackendError: the frames are not there.
    """
    paths = sorted(FRAMES.glob(_PATTERN))
    if not paths:
        raise BackendError(f"{FRAMES}: expected the frames {_PATTERN} of the package, found none: reinstall")
    return [_input(path, height, width) for path in paths]


def compare(run: Run, reference: Run, inputs: Sequence[tuple[FloatArray, FloatArray]]) -> Fidelity:
    """Run both on every input; the worst frame counts for `not_finite` and `scale`, the mean for differences."""
    scales, rows = [], []
    for image, lens in inputs:
        expected = {name: values.copy() for name, values in reference(image, lens).items()}
        maps = run(image, lens)
        scale, row = _differences(maps, expected)
        scales.append(scale)
        rows.append(row)
    bad = max(row[0] for row in rows)
    depth, depth_p99, coc_px, confidence = (float(value) for value in np.mean([row[1:] for row in rows], axis=0))
    departure = float(np.max(np.abs(np.array(scales) - 1)))
    return Fidelity(bad, departure, float(np.ptp(scales)), depth, depth_p99, coc_px, confidence)


def reference_backend(request: BackendRequest) -> Backend:
    """Inference in float32 on the CPU, by the first library that is there.

    Raises:
        BackendUnavailableError: none is.
    """
    from .registry import load_backend

    reasons = []
    for name in REFERENCES:
        try:
            return load_backend(name, dataclasses.replace(request, precision="f32"))
        except BackendUnavailableError as error:
            reasons.append(str(error))
    raise BackendUnavailableError(f"expected a CPU backend to compare with: {'; '.join(reasons)}")


def require_fidelity(fidelity: Fidelity, precision: str) -> None:
    """Refuse with a BackendError an engine that is beyond the limits of its precision."""
    if problems := fidelity.beyond(LIMITS[precision]):
        raise BackendError(f"{precision} engine differs from the CPU's float32 maps: {'; '.join(problems)}")


def _differences(maps: Maps, expected: Maps) -> tuple[float, tuple[float, float, float, float, float]]:
    not_finite = float(np.mean([np.mean(~np.isfinite(values)) for values in maps.values()]))
    with np.errstate(all="ignore"):  # a broken engine's values may be anything
        ratio = maps["depth"] / expected["depth"]
        relative = np.abs(ratio - 1)
        figures = (
            float(np.mean(relative)),
            float(np.percentile(relative, 99)),
            float(np.mean(np.abs(maps["coc"] - expected["coc"]))),
            float(np.mean(np.abs(maps["confidence"] - expected["confidence"]))),
        )
    return float(np.median(ratio)), (not_finite, *figures)


def _input(path: Path, height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Scaled down to fill a smaller size, mirrored to fill a larger one: scaled up, its blur would be no camera's."""
    frame = read_image(path)
    scale = min(1.0, max(height / frame.shape[0], width / frame.shape[1]))
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    scaled = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    below, right = max(0, height - scaled.shape[0]), max(0, width - scaled.shape[1])
    filled = cv2.copyMakeBorder(scaled, 0, below, 0, right, cv2.BORDER_REFLECT_101)
    planes = filled[:height, :width].transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    lens = np.array([[_FRAME_GAIN_PX_PER_DPT * scale, _FRAME_FOCUS_DPT, _FRAME_NEAREST_DPT]], np.float32)
    return np.ascontiguousarray(planes), lens
