"""Fits one focal stack: register, start from focus, refine by rendering, judge what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from defocus_depth.errors import ConfigError
from defocus_depth.types import FloatArray, FocalStack

from ..splatting.psf import DISC_SIGMA_PER_COC, DiscPsf, GaussianPsf, PolygonPsf, Psf
from ..splatting.scene import Blur
from .capture import FEWEST_FRAMES, Capture, reduced
from .checkpoint import Checkpoint, FitState, fit_key
from .confidence import confidence, laplace_scale_dpt, relative_confidence
from .cost_volume import cost_volume
from .focus_gain import found_gain
from .held_out import HeldOut, interpolated, psnr_db
from .options import FitOptions, Stage
from .photometric import Photometric, blur_of, photometric
from .refine import Refiner, Scene
from .registration import Registration, align_to_rendered, register, registered_frames, seen, unmoved
from .start import hypotheses, starting_depth
from .views import FloatVector, Views, measured_noise

Tick = Callable[[float], None]


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


def fit_capture(
    full: Capture,
    options: FitOptions,
    left_out: Sequence[int] = (),
    checkpoint: Path | None = None,
    tick: Tick = lambda _share: None,
) -> Fit:
    """Gaussians of a stack, without any label.

    Args:
        left_out: indices of frames to predict instead of fit. (Their breathing and exposure are still estimated.)
        checkpoint: file to resume from, and to save every stage's result to.
        tick: called with the share of the work that is done, 0..1.

    Raises:
        ConfigError: frames left out that there are not, or too few that stay; a file that is no checkpoint.
        StackError: a `to_reference` that cannot be inverted.
        BackendUnavailableError: gsplat without CUDA.
    """
    return _judged(*_fitted(full, options, left_out, checkpoint, tick))


def score_depth(
    full: Capture,
    options: FitOptions,
    left_out: Sequence[int],
    checkpoint: Path,
    depth_of: Callable[[Fit], FloatArray],
) -> tuple[HeldOut, ...]:
    """How well another inverse depth of the stack, with the colours that suit it best, predicts frames left out.

    Args:
        left_out, checkpoint: as for `fit_capture`, which this goes on from: its registration and foci hold.
        depth_of: gives the inverse depth, in the fit's unit and size, for the fit.
    """
    work, state = _fitted(full, options, left_out, checkpoint, lambda _share: None)
    scene = work.refiner(state).scene_at(depth_of(_judged(work, state)))
    return _judged(work, _with_scene(state, scene)).held_out


def _fitted(
    full: Capture, options: FitOptions, left_out: Sequence[int], checkpoint: Path | None, tick: Tick
) -> tuple[_Work, FitState]:
    """All stages that the checkpoint has not reached yet."""
    _check_left_out(full, left_out)
    capture = reduced(full, -(-full.frames.shape[2] // options.working_width_px))
    kept = np.setdiff1d(np.arange(len(capture.frames)), left_out)
    file = Checkpoint(checkpoint, fit_key(capture, options, sorted(left_out)))
    work = _Work(capture, options, kept, make_psf(options, full.stack))
    state = file.load() or _initial(capture)
    for number in range(state.done, len(_STAGES)):
        state = _STAGES[number](work, state, _part(tick, number))
        state = replace(state, done=number + 1)
        file.save(state)
    return work, state


def make_psf(options: FitOptions, stack: FocalStack) -> Psf:
    """The blur shape that the options name."""
    if options.psf == "gaussian":
        return GaussianPsf(stack.lens.psf_kappa if stack.lens else DISC_SIGMA_PER_COC)
    return PolygonPsf(options.psf_blades) if options.psf == "polygon" else DiscPsf()


@dataclass(frozen=True)
class _Work:
    """What every stage has at hand; `kept` are the indices of the frames to fit."""

    capture: Capture
    options: FitOptions
    kept: npt.NDArray[np.int_]
    psf: Psf

    @property
    def metric(self) -> bool:
        return self.capture.gain_px_per_dpt is not None

    def all_views(self, state: FitState) -> Views:
        """All frames, registered as far as the state is."""
        return Views(
            frames=registered_frames(self.capture, state.registration),
            valid=seen(self.capture, state.registration),
            gain_px_per_dpt=state.gain_px_per_dpt,
            focus_dpt=state.focus_dpt,
            saturated=self.capture.saturated / state.registration.exposure,
            noise=measured_noise(self.capture.frames[self.kept]),
            metric=self.metric,
        )

    def views(self, state: FitState) -> Views:
        """The frames to fit."""
        return self.all_views(state).of_frames(self.kept)

    def refiner(self, state: FitState) -> Refiner:
        views = self.views(state)
        return Refiner(views, self.loss(views), self.options.refine)

    def loss(self, views: Views) -> Photometric:
        return photometric(views, self.psf, self.options.engine, self.options.photometric)


def _initial(capture: Capture) -> FitState:
    nothing = np.zeros(0, np.float32)
    count = len(capture.frames)
    gain = np.ones(count) if capture.gain_px_per_dpt is None else capture.gain_px_per_dpt
    return FitState(0, unmoved(count), gain, capture.focus_dpt, nothing, nothing)


def _register(work: _Work, state: FitState, tick: Tick) -> FitState:
    """Registration and, where it is unknown, the blur gain."""
    if work.options.align:
        state = replace(state, registration=register(work.capture))
    if not work.metric:
        gain = found_gain(work.views(state), work.psf, work.options.start)
        state = replace(state, gain_px_per_dpt=np.full(len(work.capture.frames), gain))
    tick(1)
    return state


def _start(work: _Work, state: FitState, tick: Tick) -> FitState:
    """Depth from focus, and colours for it."""
    refiner = work.refiner(state)
    depth = starting_depth(refiner.views, work.psf, work.options.start)
    tick(0.5)
    return _with_scene(state, refiner.scene_at(depth))


def _refine_coarse(work: _Work, state: FitState, tick: Tick) -> FitState:
    """Coarse corrections; registration against the pictures so rendered; depth edges anew."""
    state = _descended(work, state, work.options.refine.coarse, tick)
    if work.options.align:
        rendered = _rendered(work, work.all_views(state), state)[0]
        state = replace(state, registration=align_to_rendered(work.capture, state.registration, rendered))
    return _with_scene(state, work.refiner(state).with_edges_snapped(_scene(state)))


def _refine_fine(work: _Work, state: FitState, tick: Tick) -> FitState:
    """Fine corrections, and near surfaces in their full size."""
    state = _descended(work, state, work.options.refine.fine, tick)
    return _with_scene(state, work.refiner(state).with_near_grown(_scene(state)))


_STAGES = (_register, _start, _refine_coarse, _refine_fine)


def _descended(work: _Work, state: FitState, stage: Stage, tick: Tick) -> FitState:
    scene, blur = work.refiner(state).descend(_scene(state), stage, tick)
    state = _with_scene(state, scene)
    return state if work.metric else _with_blur(state, work.kept, blur)


def _with_blur(state: FitState, kept: npt.NDArray[np.int_], blur: Blur) -> FitState:
    """The fitted gain for all frames; frames left out move as their neighbours in focus do."""
    gain, focus = (values.double().numpy() for values in blur)
    known, shift = state.focus_dpt[kept], focus - state.focus_dpt[kept]
    order = np.argsort(known)
    moved = state.focus_dpt + np.interp(state.focus_dpt, known[order], shift[order])
    return replace(state, gain_px_per_dpt=np.full(len(moved), gain.mean()), focus_dpt=moved)


def _judged(work: _Work, state: FitState) -> Fit:
    """The result with confidence and the score of what was left out."""
    views, every = work.views(state), work.all_views(state)
    volume = cost_volume(views, hypotheses(views, work.options.start), work.psf, work.options.start.window_px)
    scale = laplace_scale_dpt(views, volume, state.inverse_depth)
    sweep = float(np.ptp(views.focus_dpt))
    pictures, counted = _rendered(work, every, state)
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


def _predicted(work: _Work, every: Views, pictures: FloatArray, counted: FloatArray) -> list[HeldOut]:
    fitted, scores = every.of_frames(work.kept), []
    for index in np.setdiff1d(np.arange(len(pictures)), work.kept):
        between = interpolated(fitted, float(every.focus_dpt[index]))
        rendered_db, between_db = (
            _psnr_db(work, picture, every.frames[index], counted[index]) for picture in (pictures[index], between)
        )
        scores.append(HeldOut(int(index), rendered_db, between_db))
    return scores


def _psnr_db(work: _Work, pictures: FloatArray, frames: FloatArray, counted: FloatArray) -> float:
    return psnr_db(pictures, frames, counted, work.capture.stack.transfer)


def _rendered(work: _Work, views: Views, state: FitState) -> tuple[FloatArray, FloatArray]:
    """Pictures (F, H, W, 3) of the scene in every view, and where they count, (F, H, W)."""
    scene, blur = _scene(state), blur_of(views.gain_px_per_dpt, views.focus_dpt)
    with torch.no_grad():
        pictures, inside = work.loss(views).pictures(scene.colour, scene.inverse_depth, blur)
    return pictures.movedim(1, -1).contiguous().numpy(), inside[:, 0].numpy() * views.valid


def _scene(state: FitState) -> Scene:
    return Scene(torch.from_numpy(state.colour), torch.from_numpy(state.inverse_depth))


def _with_scene(state: FitState, scene: Scene) -> FitState:
    return replace(state, colour=scene.colour.numpy().copy(), inverse_depth=scene.inverse_depth.numpy().copy())


def _part(tick: Tick, number: int) -> Tick:
    return lambda share: tick((number + share) / len(_STAGES))


def _check_left_out(capture: Capture, left_out: Sequence[int]) -> None:
    count = len(capture.frames)
    if any(not 0 <= index < count for index in left_out):
        raise ConfigError(f"leave-out: expected frame indices 0..{count - 1}, got {','.join(map(str, left_out))}")
    if capture.stack.reference_frame in left_out:
        raise ConfigError(f"leave-out: expected frames other than the reference frame {capture.stack.reference_frame}")
    if count - len(set(left_out)) < FEWEST_FRAMES:
        raise ConfigError(f"leave-out: expected at least {FEWEST_FRAMES} of {count} frames to stay")
