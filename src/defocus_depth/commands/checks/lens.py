"""What a lens file promises: blur and the depth accuracy to expect at each distance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from ...errors import DefocusDepthError
from ...inference import ModelArtifact
from ...optics import blur_gain_px_per_dpt, coc_from_inverse_depth, focus_distance_m, focus_dpt
from ...optics.accuracy import PatchNoise, depth_error_m, noise_limit_px
from ...optics.lens_file import LensFile, find_lens, read_lens
from . import Check

DISTANCES_M = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
USUAL_COC_ERROR = 2.1 / 20  # of the released network, over the blur that depths span in its working image
_SPAN_PX = 20.0  # the network's working image is scaled so that blur spans about this
_COC_ERROR = "coc_mae_px"
_LEAST_SPAN_PX = 10.0
_MOST_RESIDUAL_PX = 0.2  # of a calibration, in pictures 320 px wide: twice what docs/camera-guide.md calls good
_PATCHES_ACROSS = 20  # depth is told for patches of this share of the image's width


@dataclass(frozen=True)
class ExpectedAccuracy:
    """What to expect at one distance.

    Attributes:
        coc_px: signed blur, px of the camera's image.
        limit_m: least depth error that noise allows, when the sharp look of what is seen is known (a focal stack).
        network_m: depth error of the network on one image; inf: it cannot tell.
    """

    distance_m: float
    coc_px: float
    limit_m: float
    network_m: float


@dataclass(frozen=True)
class LensUse:
    """How a lens is used: focus (m), image width (px), and the depths (m) that matter."""

    focus_m: float
    image_width_px: int
    depth_min_m: float
    depth_max_m: float


def expected_accuracy(lens_file: LensFile, use: LensUse, coc_error_px: float) -> list[ExpectedAccuracy]:
    """Accuracy at `DISTANCES_M` within the depths that matter.

    Args:
        coc_error_px: of the network in its working image, in which blur spans `_SPAN_PX`.

    Raises:
        OpticsError: a focus that no such lens has.
    """
    focus = focus_dpt(use.focus_m, lens_file.lens)
    gain = blur_gain_px_per_dpt(lens_file.lens, focus, use.image_width_px)
    scale = min(1.0, _SPAN_PX / blur_span_px(gain, use))
    patch = PatchNoise(patch_px=max(8, use.image_width_px // _PATCHES_ACROSS))
    rows = []
    for distance_m in DISTANCES_M:
        if use.depth_min_m <= distance_m <= use.depth_max_m:
            coc_px = coc_from_inverse_depth(1 / distance_m, gain, focus)
            limit_m = depth_error_m(distance_m, gain, noise_limit_px(coc_px, patch))
            rows.append(
                ExpectedAccuracy(distance_m, coc_px, limit_m, depth_error_m(distance_m, gain, coc_error_px / scale))
            )
    return rows


def blur_span_px(gain_px_per_dpt: float, use: LensUse) -> float:
    """Difference of blur (px) between the nearest and the farthest depth that matter."""
    return gain_px_per_dpt * (1 / use.depth_min_m - 1 / use.depth_max_m)


def network_coc_error_px(artifact: ModelArtifact | None) -> float:
    """Median circle-of-confusion error (px of the working image) of the model's figures; the usual one without any."""
    found = _figures(artifact.sidecar.metrics) if artifact else []
    return median(found) if found else USUAL_COC_ERROR * _SPAN_PX


def check_lens(name: str, artifact: ModelArtifact | None) -> tuple[list[Check], list[ExpectedAccuracy]]:
    """What is good and bad about a lens file, and the accuracy to expect with its near focus."""
    try:
        lens_file = read_lens(find_lens(name))
        use = usual_use(lens_file)
        rows = expected_accuracy(lens_file, use, network_coc_error_px(artifact))
    except DefocusDepthError as error:
        return [Check("lens", "error", str(error), "defocus_training calibrate writes a lens file")], []
    gain = blur_gain_px_per_dpt(lens_file.lens, focus_dpt(use.focus_m, lens_file.lens), use.image_width_px)
    found = f"focused at {use.focus_m:g} m, {gain:.3g} px/dpt at {use.image_width_px} px width"
    return [_span_check(gain, use, found), _curve_check(lens_file), calibration_check(lens_file)], rows


def usual_use(lens_file: LensFile) -> LensUse:
    """Near focus, and depths from there to 10 times as far."""
    focus_m = lens_file.near_focus_distance_m or _nearest_m(lens_file)
    width_px = lens_file.lens.image_width_px or (lens_file.camera.width if lens_file.camera else 640)
    return LensUse(focus_m, width_px, 1.05 * focus_m, 10 * focus_m)


def _nearest_m(lens_file: LensFile) -> float:
    if lens_file.focus_curve is None:
        return 0.5
    return focus_distance_m(max(0.0, *lens_file.focus_curve.dioptres), lens_file.lens)


def _span_check(gain: float, use: LensUse, found: str) -> Check:
    span_px = blur_span_px(gain, use)
    found += f": blur spans {span_px:.3g} px over {use.depth_min_m:.2g}..{use.depth_max_m:.2g} m"
    if span_px >= _LEAST_SPAN_PX:
        return Check("lens", "ok", found)
    advice = "open the aperture, focus nearer, take larger images, or a longer lens (docs/camera-guide.md)"
    return Check("lens", "warning", found + f", expected at least {_LEAST_SPAN_PX:g}", advice)


def _curve_check(lens_file: LensFile) -> Check:
    if lens_file.focus_curve is None:
        return Check("focus curve", "note", "none: focus distances come from the driver, or stay at the near focus")
    ends = sorted(focus_distance_m(max(0.0, dpt), lens_file.lens) for dpt in lens_file.focus_curve.dioptres)
    return Check("focus curve", "ok", f"{lens_file.focus_curve.kind}, {ends[0]:.3g}..{ends[-1]:.3g} m")


def calibration_check(lens_file: LensFile) -> Check:
    """Whether the lens was measured, and the measurements agree with each other."""
    known = lens_file.calibration
    if "residual_px" not in known and "residual_dpt" not in known:
        return Check("calibration", "note", "from a data sheet", "defocus_training calibrate measures the lens itself")
    facts = [f"{name} {value}" for name, value in known.items() if isinstance(value, str | int | float)]
    residual_px = known.get("residual_px")
    if isinstance(residual_px, int | float) and lens_file.lens.image_width_px:
        residual_px *= 320 / lens_file.lens.image_width_px
        if not residual_px <= _MOST_RESIDUAL_PX:
            advice = "check the distances (m), that the target is flat and nothing moved, and calibrate anew"
            words = f"residual {residual_px:.2g} px of 320, expected at most {_MOST_RESIDUAL_PX:g}"
            return Check("calibration", "warning", f"{words}; {', '.join(facts)}", advice)
    return Check("calibration", "ok", ", ".join(facts))


def _figures(metrics: Mapping[str, float | dict[str, float]]) -> list[float]:
    found = []
    for name, value in metrics.items():
        if isinstance(value, dict):
            found += _figures(value)
        elif name == _COC_ERROR and math.isfinite(value):
            found.append(value)
    return found
