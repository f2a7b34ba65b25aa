"""Coarse-to-fine refinement of depth and colour by the renderer, and of depth edges by trial.

Depth is corrected on a grid of `stride` px, interpolated between: pixels alone would fit noise. Edges cannot move by
gradients (a picture jumps where two splats change places), so a proposal with other edges is rendered and taken
wherever it explains the frames better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from defocus_depth.types import FloatArray

from ..splatting.scene import Blur
from .edges import grow_near, picture_links, snap_edges
from .options import RefineOptions, Stage
from .photometric import Photometric, solve_colours
from .start import composite
from .views import Views

_SMOOTH_STEP_PX = 0.1  # depth steps below this are smoothed quadratically, larger ones linearly
_LARGEST_STEP_PX = 8.0  # larger depth edges cost no more than this
_LINKS_EVERY = 10
_RANGE_MARGIN_PX = 2.0
_LEAST_DPT = 0.02
_CHANGED_PX = 0.5  # a proposal's colours are composed anew where its depth differs by more, px of blur
_RIVAL_COLOUR_STEPS = 3  # the old scene's colours have converged before


@dataclass(frozen=True)
class Scene:
    """One splat per pixel: radiance (3, H, W) and inverse depth (H, W) in dpt."""

    colour: Float[Tensor, "3 h w"]
    inverse_depth: Float[Tensor, "h w"]


@dataclass(frozen=True)
class Refiner:
    """What every step of the refinement looks at."""

    views: Views
    loss: Photometric
    options: RefineOptions

    def scene_at(self, inverse_depth: FloatArray) -> Scene:
        """Colours for a depth: the composite, then least squares."""
        depth = torch.from_numpy(inverse_depth)
        return Scene(solve_colours(self.loss, self._composite(depth), depth, self.options.colour_steps), depth)

    def descend(self, scene: Scene, stage: Stage, tick: Callable[[float], None]) -> tuple[Scene, Blur]:
        """Adam on colour and on the depth correction, and where metres are unknown on the frames' gain and focus.

        Returns the scene and the frames' blur; `tick` gets the share done after every step.
        """
        gain, first = self.views.mean_gain, scene.inverse_depth * self.views.mean_gain
        low, high = self._allowed_px(first)
        correction = torch.zeros(1, 1, *(math.ceil(n / stage.stride) for n in self.views.size), requires_grad=True)
        colour = scene.colour.clone().requires_grad_()
        focus = _FocusParameters(self.loss.blur, known=self.views.metric)
        rates = (stage.depth_rate_px, self.options.colour_rate, self.options.focus_rate)
        optimiser = torch.optim.Adam(
            [{"params": group} for group in ([correction], [colour], focus.free)], betas=(0.9, 0.95)
        )
        steps_px, links = first, self._links(colour)
        for step in range(stage.steps):
            _cool(optimiser, rates, step / stage.steps)
            if step % _LINKS_EVERY == 0:
                links = self._links(colour)
            steps_px = (first + _spread(correction, self.views.size)).clamp(low, high)
            misfit = self.loss.misfit(*self.loss.pictures(colour, steps_px / gain, focus.blur())).sum()
            optimiser.zero_grad()
            (misfit + stage.smoothness * _roughness(steps_px, links)).backward()
            optimiser.step()
            with torch.no_grad():
                colour.clamp_(min=0)
            tick((step + 1) / stage.steps)
        return Scene(colour.detach(), (steps_px / gain).detach()), Blur(*(value.detach() for value in focus.blur()))

    def with_edges_snapped(self, scene: Scene) -> Scene:
        """The scene with depth edges where its colours have theirs, wherever that explains the frames better."""
        root = _root(scene.colour)
        return self._better(
            scene, snap_edges(scene.inverse_depth.numpy(), root, self.views.mean_gain, self.options.edges)
        )

    def with_near_grown(self, scene: Scene) -> Scene:
        """The scene with near surfaces one pixel larger, wherever that explains the frames better."""
        return self._better(scene, grow_near(scene.inverse_depth.numpy(), self.views.mean_gain))

    def _better(self, scene: Scene, proposal: FloatArray) -> Scene:
        """The proposal's depth and new colours wherever, around a pixel, they explain the frames better."""
        depth = torch.from_numpy(proposal)
        changed = (depth - scene.inverse_depth).abs() * self.views.mean_gain > _CHANGED_PX
        colour = torch.where(changed, self._composite(depth), scene.colour)
        new = Scene(solve_colours(self.loss, colour, depth, self.options.colour_steps), depth)
        settled = solve_colours(self.loss, scene.colour, scene.inverse_depth, _RIVAL_COLOUR_STEPS)
        old = Scene(settled, scene.inverse_depth)
        better = torch.from_numpy(self._local_cost(new) < self._local_cost(old))
        return Scene(
            torch.where(better, new.colour, old.colour), torch.where(better, new.inverse_depth, old.inverse_depth)
        )

    def _local_cost(self, scene: Scene) -> FloatArray:
        steps_px = scene.inverse_depth * self.views.mean_gain
        across, along = self._links(scene.colour)
        cost = self.loss.misfit(*self.loss.pictures(scene.colour, scene.inverse_depth))
        cost[:, :-1] += across * steps_px.diff(dim=1).abs().clamp(max=_LARGEST_STEP_PX)
        cost[:-1] += along * steps_px.diff(dim=0).abs().clamp(max=_LARGEST_STEP_PX)
        return np.asarray(cv2.GaussianBlur(cost.numpy(), (0, 0), self.options.edge_window_px), np.float32)

    def _composite(self, inverse_depth: Float[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
        return torch.from_numpy(composite(self.views, inverse_depth.numpy())).movedim(-1, 0).contiguous()

    def _links(self, colour: Float[Tensor, "3 h w"]) -> tuple[Tensor, Tensor]:
        across, along = picture_links(_root(colour), self.options.edges)
        return torch.from_numpy(across), torch.from_numpy(along)

    def _allowed_px(self, start_px: Tensor) -> tuple[float, float]:
        """Depth, in px of blur, stays near the start's range and on this side of infinity."""
        low, high = float(start_px.min()), float(start_px.max()) + _RANGE_MARGIN_PX
        if not self.views.metric:
            return low - _RANGE_MARGIN_PX, high
        return max(low - _RANGE_MARGIN_PX, min(low, _LEAST_DPT * self.views.mean_gain)), high


class _FocusParameters:
    """Gain (one factor) and the foci between the nearest and the farthest, which fix the coordinate's gauge.

    Frames of one focus keep one: a sweep's repetition of its first frame tells nothing of another.
    """

    def __init__(self, blur: Blur, known: bool) -> None:
        self._blur, self._known = blur, known
        self._log_gain = torch.zeros(1, requires_grad=not known)
        foci, self._place = torch.unique(blur.focus_dpt, return_inverse=True)
        self._shift = torch.zeros(max(len(foci) - 2, 0), requires_grad=not known)
        self._spacing = float(foci.diff().mean())
        self.free = [self._log_gain, self._shift]

    def blur(self) -> Blur:
        """Gains and foci as they stand."""
        if self._known:
            return self._blur
        shift = functional.pad(self._shift * self._spacing, (1, 1))[self._place]
        return Blur(self._blur.gain_px_per_dpt * self._log_gain.exp(), self._blur.focus_dpt + shift)


def _cool(optimiser: torch.optim.Optimizer, rates: tuple[float, ...], share: float) -> None:
    """Learning rates fall along half a cosine to a tenth."""
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))


def _root(colour: Float[Tensor, "3 h w"]) -> FloatArray:
    """Square root of radiance, (H, W, 3): steps of equal size look alike in light and shade."""
    return colour.detach().clamp_min(1e-4).sqrt().movedim(0, -1).contiguous().numpy()


def _spread(correction: Float[Tensor, "1 1 gh gw"], size: tuple[int, int]) -> Float[Tensor, "h w"]:
    return functional.interpolate(correction, size=size, mode="bilinear", align_corners=False)[0, 0]


def _roughness(steps_px: Float[Tensor, "h w"], links: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
    """Σ link·|step| over neighbours (weighted total variation), rounded off below _SMOOTH_STEP_PX."""
    total = steps_px.new_zeros(())
    for dim, link in zip((1, 0), links, strict=True):
        step = steps_px.diff(dim=dim)
        total = total + (link * ((step.square() + _SMOOTH_STEP_PX**2).sqrt() - _SMOOTH_STEP_PX)).sum()
    return total
