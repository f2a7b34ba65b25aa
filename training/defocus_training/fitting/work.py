"""What every stage of a fit has at hand, and how the scene of a state looks in the captured frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from defocus_depth.types import FloatArray, FocalStack

from ..splatting.psf import DISC_SIGMA_PER_COC, DiscPsf, GaussianPsf, PolygonPsf, Psf
from .capture import Capture
from .checkpoint import FitState
from .options import FitOptions
from .photometric import Photometric, blur_of, photometric
from .refine import Refiner, Scene
from .registration import registered_frames, seen, unmoved
from .views import Views, measured_noise


@dataclass(frozen=True)
class Work:
    """What every stage has at hand; `kept` are the indices of the frames to fit."""

    capture: Capture
    options: FitOptions
    kept: npt.NDArray[np.int_]
    psf: Psf

    @property
    def metric(self) -> bool:
        """Whether depths are in dioptres, not in the focus coordinate."""
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
        """What refines the state's scene."""
        views = self.views(state)
        return Refiner(views, self.loss(views), self.options.refine)

    def loss(self, views: Views) -> Photometric:
        """Photometric loss of the views as the options want it."""
        return photometric(views, self.psf, self.options.engine, self.options.photometric)


def initial_state(capture: Capture) -> FitState:
    """Nothing known but what the stack says; a gain of 1 where it says none."""
    nothing = np.zeros(0, np.float32)
    count = len(capture.frames)
    gain = np.ones(count) if capture.gain_px_per_dpt is None else capture.gain_px_per_dpt
    return FitState(0, unmoved(count), gain, capture.focus_dpt, nothing, nothing)


def rendered(work: Work, views: Views, state: FitState) -> tuple[FloatArray, FloatArray]:
    """Pictures (F, H, W, 3) of the scene in every view, and where they count, (F, H, W)."""
    scene, blur = scene_of(state), blur_of(views.gain_px_per_dpt, views.focus_dpt)
    with torch.no_grad():
        pictures, inside = work.loss(views).pictures(scene.colour, scene.inverse_depth, blur)
    return pictures.movedim(1, -1).contiguous().numpy(), inside[:, 0].numpy() * views.valid


def scene_of(state: FitState) -> Scene:
    """The state's scene as tensors."""
    return Scene(torch.from_numpy(state.colour), torch.from_numpy(state.inverse_depth))


def with_scene(state: FitState, scene: Scene) -> FitState:
    """The state with another scene."""
    return replace(state, colour=scene.colour.numpy().copy(), inverse_depth=scene.inverse_depth.numpy().copy())


def make_psf(options: FitOptions, stack: FocalStack) -> Psf:
    """The blur shape that the options name."""
    if options.psf == "gaussian":
        return GaussianPsf(stack.lens.psf_kappa if stack.lens else DISC_SIGMA_PER_COC)
    return PolygonPsf(options.psf_blades) if options.psf == "polygon" else DiscPsf()
