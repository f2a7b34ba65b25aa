"""Pictures and focal stacks of a scene through a rig's lens, with exact depth and circle of confusion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..optics import coc_from_inverse_depth, focus_dpt
from ..types import FloatArray
from .lens_sampling import RayBudget, make_view, render_depth, render_radiance
from .rigs import Rig
from .scenes import Scene
from .sensor import SensorOptions, expose


@dataclass(frozen=True)
class RenderOptions:
    """How pictures are made.

    Attributes:
        samples_per_pixel: rays per pixel, ≥ 1; render noise at depth edges falls faster than their square root.
        seed: ≥ 0, of the sensor's and the renderer's noise; every scene and every frame of a stack gets its own.
        threads: pictures of a stack that are rendered at the same time.
    """

    samples_per_pixel: int = 128
    seed: int = 0
    sensor: SensorOptions = field(default_factory=SensorOptions)
    threads: int = 1


@dataclass(frozen=True)
class SimulatedFrame:
    """A picture and its truth.

    Attributes:
        image: sRGB uint8 (H, W, 3).
        depth_m: exact z, float32 (H, W).
        coc_px: exact signed circle of confusion, float32 (H, W).
    """

    image: npt.NDArray[np.uint8]
    depth_m: FloatArray
    coc_px: FloatArray


def render_linear(scene: Scene, rig: Rig, focus_distance_m: float, budget: RayBudget) -> FloatArray:
    """Noiseless linear RGB radiance × exposure, float32 (H, W, 3), focused at `focus_distance_m` (inf allowed)."""
    if budget.samples_per_pixel < 1:
        raise ConfigError(f"samples_per_pixel: expected ≥ 1, got {budget.samples_per_pixel}")
    focus = focus_dpt(focus_distance_m, rig.lens)
    view = make_view(rig.camera, rig.blur_gain_px_per_dpt(focus_distance_m), focus)
    return render_radiance(scene.tables(), rig.camera, view, budget) * np.float32(scene.exposure)


def render_frame(
    scene: Scene, rig: Rig, focus_distance_m: float, options: RenderOptions | None = None
) -> SimulatedFrame:
    """One picture of the scene, focused at `focus_distance_m` (inf allowed).

    Raises:
        OpticsError: the lens cannot focus there.
        ConfigError: fewer than one ray per pixel.
    """
    options = options or RenderOptions()
    linear = render_linear(scene, rig, focus_distance_m, RayBudget(options.samples_per_pixel, options.seed))
    image = expose(linear, options.sensor, options.seed)
    depth_m = render_depth(scene.tables(), rig.camera)
    return SimulatedFrame(image, depth_m, coc_map(depth_m, rig, focus_distance_m))


def render_stack(
    scene: Scene, rig: Rig, focus_distances_m: Sequence[float], options: RenderOptions | None = None
) -> list[SimulatedFrame]:
    """One picture per focus distance, in the given order; exposure is the same for all."""
    options = options or RenderOptions()

    def render(index: int) -> SimulatedFrame:
        seed = int(np.random.SeedSequence((options.seed, scene.seed, index)).generate_state(1)[0])
        return render_frame(scene, rig, focus_distances_m[index], dataclasses.replace(options, seed=seed))

    with ThreadPoolExecutor(max(1, options.threads)) as pool:
        return list(pool.map(render, range(len(focus_distances_m))))


def coc_map(depth_m: FloatArray, rig: Rig, focus_distance_m: float) -> FloatArray:
    """Signed circle of confusion (px) of each depth (m), float32 of the same shape."""
    gain = rig.blur_gain_px_per_dpt(focus_distance_m)
    return coc_from_inverse_depth(1 / depth_m, gain, focus_dpt(focus_distance_m, rig.lens)).astype(np.float32)
