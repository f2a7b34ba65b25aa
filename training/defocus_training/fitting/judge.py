"""What a fit comes to: maps, confidence, and how well frames that were left out are predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from defocus_depth.types import FloatArray, FocalStack

from .checkpoint import FitState
from .confidence import confidence, laplace_scale_dpt, relative_confidence
from .cost_volume import cost_volume
from .held_out import HeldOut, interpolated, psnr_db
from .registration import Registration
from .start import hypotheses
from .views import FloatVector, Views
from .work import Work, rendered


@dataclass(frozen=True)
class Fit:
    """A fitted stack; maps in the reference frame's pixels at working size.

    Attributes:
        stack: what was fitted.
        colour: linear radiance, float32 (H, W, 3).
        inverse_depth: dpt, or in the focus coordinate where the stack is not metric, float32 (H, W).
        scale: Laplace scale of its error, same unit.
        confidence: 0..1; what of is told in `confidence.py`.
        frames: the captured frames, registered, linear radiance (F, H, W, 3).
        gain_px_per_dpt, focus_dpt: of all frames at working size; fitted themselves where the stack is not metric.
        registration: of all frames.
        psnr_db: of the fitted frames, rendered.
        held_out: how well the frames that were not fitted are predicted.
        reduction: working pixels are this many of the camera's.
    """

    stack: FocalStack
    colour: FloatArray
    inverse_depth: FloatArray
    scale: FloatArray
    confidence: FloatArray
    frames: FloatArray
    gain_px_per_dpt: FloatVector
    focus_dpt: FloatVector
    registration: Registration
    psnr_db: float
    held_out: tuple[HeldOut, ...]
    reduction: int


def judged(work: Work, state: FitState) -> Fit:
    """The result with confidence and the score of what was left out."""
    views, every = work.views(state), work.all_views(state)
    volume = cost_volume(views, hypotheses(views, work.options.start), work.psf, work.options.start.window_px)
    scale = laplace_scale_dpt(views, volume, state.inverse_depth)
    sweep = float(np.ptp(views.focus_dpt))
    pictures, counted = rendered(work, every, state)
    return Fit(
        stack=work.capture.stack,
        colour=np.ascontiguousarray(state.colour.transpose(1, 2, 0)),
        inverse_depth=state.inverse_depth,
        scale=scale,
        confidence=confidence(state.inverse_depth, scale) if work.metric else relative_confidence(scale, sweep),
        frames=every.frames,
        gain_px_per_dpt=state.gain_px_per_dpt,
        focus_dpt=state.focus_dpt,
        registration=state.registration,
        psnr_db=_psnr_db(work, pictures[work.kept], views.frames, counted[work.kept]),
        held_out=tuple(_predicted(work, every, pictures, counted)),
        reduction=work.capture.reduction,
    )


def _predicted(work: Work, every: Views, pictures: FloatArray, counted: FloatArray) -> list[HeldOut]:
    fitted, scores = every.of_frames(work.kept), []
    for index in np.setdiff1d(np.arange(len(pictures)), work.kept):
        between = interpolated(fitted, float(every.focus_dpt[index]))
        rendered_db, between_db = (
            _psnr_db(work, picture, every.frames[index], counted[index]) for picture in (pictures[index], between)
        )
        scores.append(HeldOut(int(index), rendered_db, between_db))
    return scores


def _psnr_db(work: Work, pictures: FloatArray, frames: FloatArray, counted: FloatArray) -> float:
    return psnr_db(pictures, frames, counted, work.capture.stack.transfer)
