"""The stages of a fit, each from one state to the next: register, start from focus, refine coarse, refine fine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..splatting.scene import Blur
from .checkpoint import FitState
from .focus_gain import found_gain
from .options import Stage
from .registration import align_to_rendered, register
from .start import starting_depth
from .work import Work, rendered, scene_of, with_scene

Tick = Callable[[float], None]


def _register(work: Work, state: FitState, tick: Tick) -> FitState:
    """Registration and, where it is unknown, the blur gain."""
    if work.options.align:
        state = replace(state, registration=register(work.capture))
    if not work.metric:
        gain = found_gain(work.views(state), work.psf, work.options.start)
        state = replace(state, gain_px_per_dpt=np.full(len(work.capture.frames), gain))
    tick(1)
    return state


def _start(work: Work, state: FitState, tick: Tick) -> FitState:
    """Depth from focus, and colours for it."""
    refiner = work.refiner(state)
    depth = starting_depth(refiner.views, work.psf, work.options.start)
    tick(0.5)
    return with_scene(state, refiner.scene_at(depth))


def _refine_coarse(work: Work, state: FitState, tick: Tick) -> FitState:
    """Coarse corrections; registration against the pictures so rendered; depth edges anew."""
    state = _descended(work, state, work.options.refine.coarse, tick)
    if work.options.align:
        pictures, _ = rendered(work, work.all_views(state), state)
        state = replace(state, registration=align_to_rendered(work.capture, state.registration, pictures))
    return with_scene(state, work.refiner(state).with_edges_snapped(scene_of(state)))


def _refine_fine(work: Work, state: FitState, tick: Tick) -> FitState:
    """Fine corrections, and near surfaces in their full size."""
    state = _descended(work, state, work.options.refine.fine, tick)
    return with_scene(state, work.refiner(state).with_near_grown(scene_of(state)))


STAGES = (_register, _start, _refine_coarse, _refine_fine)


def _descended(work: Work, state: FitState, stage: Stage, tick: Tick) -> FitState:
    scene, blur = work.refiner(state).descend(scene_of(state), stage, tick)
    state = with_scene(state, scene)
    return state if work.metric else _with_blur(state, work.kept, blur)


def _with_blur(state: FitState, kept: npt.NDArray[np.int_], blur: Blur) -> FitState:
    """The fitted gain for all frames; frames left out move as their neighbours in focus do."""
    gain, focus = (values.double().numpy() for values in blur)
    known, shift = state.focus_dpt[kept], focus - state.focus_dpt[kept]
    order = np.argsort(known)
    moved = state.focus_dpt + np.interp(state.focus_dpt, known[order], shift[order])
    return replace(state, gain_px_per_dpt=np.full(len(moved), gain.mean()), focus_dpt=moved)
