"""Fits one focal stack: register, start from focus, refine by rendering, judge what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from defocus_depth.errors import ConfigError
from defocus_depth.types import FloatArray

from .capture import FEWEST_FRAMES, Capture, reduced
from .checkpoint import Checkpoint, FitState, fit_key
from .held_out import HeldOut
from .judge import Fit, judged
from .options import FitOptions
from .stages import STAGES, Tick
from .work import Work, initial_state, make_psf, with_scene


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
        ConfigError: frames left out that there are not, or too few that stay; a working width of no pixel;
            a file that is no checkpoint.
        StackError: a `to_reference` that cannot be inverted.
        BackendUnavailableError: gsplat without CUDA.
    """
    return judged(*_fitted(full, options, left_out, checkpoint, tick))


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
    scene = work.refiner(state).scene_at(depth_of(judged(work, state)))
    return judged(work, with_scene(state, scene)).held_out


def _fitted(
    full: Capture, options: FitOptions, left_out: Sequence[int], checkpoint: Path | None, tick: Tick
) -> tuple[Work, FitState]:
    """All stages that the checkpoint has not reached yet."""
    _check_left_out(full, left_out)
    if options.working_width_px < 1:
        raise ConfigError(f"working-width-px: expected ≥ 1, got {options.working_width_px}")
    capture = reduced(full, -(-full.frames.shape[2] // options.working_width_px))
    kept = np.setdiff1d(np.arange(len(capture.frames)), left_out)
    work = Work(capture, options, kept, make_psf(options, full.stack))
    file = Checkpoint(checkpoint, fit_key(capture, options, sorted(left_out), work.psf))
    state = file.load() or initial_state(capture)
    for number in range(state.done, len(STAGES)):
        state = STAGES[number](work, state, _part(tick, number))
        state = replace(state, done=number + 1)
        file.save(state)
    return work, state


def _part(tick: Tick, number: int) -> Tick:
    return lambda share: tick((number + share) / len(STAGES))


def _check_left_out(capture: Capture, left_out: Sequence[int]) -> None:
    count = len(capture.frames)
    if any(not 0 <= index < count for index in left_out):
        raise ConfigError(f"leave-out: expected frame indices 0..{count - 1}, got {','.join(map(str, left_out))}")
    if capture.stack.reference_frame in left_out:
        raise ConfigError(f"leave-out: expected frames other than the reference frame {capture.stack.reference_frame}")
    if count - len(set(left_out)) < FEWEST_FRAMES:
        raise ConfigError(f"leave-out: expected at least {FEWEST_FRAMES} of {count} frames to stay")
