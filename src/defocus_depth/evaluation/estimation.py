"""One picture from anywhere through the estimator: metric where lens and focus are known, relative elsewhere."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..types import DepthEstimate, LensParameters
from .inputs import InputFrame

if TYPE_CHECKING:
    from ..inference import Estimator

# For an unknown lens or focus: infinity is blurred by 7 % of the image's width, as in config/lenses/robot.yaml.
ASSUMED_LENS = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
ASSUMED_FOCUS_M = 0.35


@dataclass(frozen=True)
class KnownOptics:
    """What the user says of pictures whose source says nothing.

    Attributes:
        lens: None where unknown.
        focus_distance_m: inf allowed; None where unknown.
        usual_focus_m: the lens file's near focus, which holds where nothing else says where the focus was.
    """

    lens: LensParameters | None = None
    focus_distance_m: float | None = None
    usual_focus_m: float | None = None


def estimate_frame(estimator: Estimator, frame: InputFrame, known: KnownOptics) -> DepthEstimate:
    """Depth of one picture; what its source says comes before what the user says, then comes the lens's usual focus.

    Without lens or focus distance the estimate is relative (`metric` False): computed for an assumed lens and focus,
    and given in units of that focus distance, so that 1 is the plane in focus.

    Raises:
        ImageError, OpticsError, BackendError, ModelError: as `Estimator.estimate`.
    """
    lens = frame.lens or known.lens
    focus_m = focus_of(frame, known)
    if lens is not None and focus_m is not None and not math.isnan(focus_m):
        near_m = known.usual_focus_m if frame.lens is None else frame.near_focus_m
        return estimator.estimate(frame.image, lens, focus_m, transfer=frame.transfer, near_focus_m=near_m)
    assumed_m = known.usual_focus_m or ASSUMED_FOCUS_M
    estimate = estimator.estimate(frame.image, lens or ASSUMED_LENS, assumed_m, transfer=frame.transfer)
    return dataclasses.replace(
        estimate,
        depth_m=estimate.depth_m / assumed_m,
        inv_depth_scale_dpt=estimate.inv_depth_scale_dpt * assumed_m,
        metric=False,
    )


def focus_of(frame: InputFrame, known: KnownOptics) -> float | None:
    """Focus distance (m, inf allowed) of one picture; NaN where its stack does not know, None where nothing says."""
    said = (frame.focus_distance_m, known.focus_distance_m, known.usual_focus_m)
    return next((focus_m for focus_m in said if focus_m is not None), None)
