"""Procedural focal stacks for training: a layered scene seen at several focus settings, with exact inverse depth.

All lengths are pixels of the picture: a frame's focus is φ = G·F, a point's inverse depth u = G/d, its signed circle of
confusion φ − u. The first frame focuses nearer than the whole scene, the last one farther.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .gather_blur import cats_eye_spans, disc_spans, gather_blur, polygon_spans
from .layered_scene import LayeredScene, random_scene
from .textures import Texture

Rng = np.random.Generator
Map = npt.NDArray[np.float32]
Renderer = Callable[[LayeredScene, Map, Map, int], Map]
"""Frames (K, n, n, 3) of a scene, from its focus settings (px), the aperture's rows and the margin (px)."""


SMALLEST_GAP_PX, SMALL_GAP_PX, LARGEST_GAP_PX = 0.1, 5.0, 15.0
"""Of u between the first focus and the scene; `SMALL` is the most of where a camera is focused on what is nearest."""
LEAST_ROOM_PX = 1.0
"""Room for the gap where the scene alone spans all the blur there may be."""
LARGEST_TAUGHT_COC_PX = 29.0
"""Blur beyond which frames teach little: a bit less than what SDNet can express."""


@dataclass(frozen=True)
class ProceduralOptions:
    """Size and blur range of procedural stacks (px of the picture)."""

    size_px: int = 176
    """Width and height of a frame."""
    frames: int = 6
    """Focus settings per stack, ≥ 2."""
    nearest_px: tuple[float, float] = (6.0, 28.0)
    """Range of the largest u = G/d in a scene: uniform, so that strong blur is as frequent as weak blur."""
    farthest_fraction: tuple[float, float] = (0.03, 0.5)
    """Range of (smallest u)/(largest u): log-uniform."""
    simulated_share: float = 0.25
    """Share of stacks that the runtime's simulation ray-traces instead of layers."""
    standing_share: float = 0.1
    """Share of stacks, ray-traced too, of things that stand on a table or the floor: their layout shows blur's sign."""
    largest_coc_px: float = 32.0
    """Blur diameter that the margin around the frame has room for."""


@dataclass(frozen=True)
class ProceduralStack:
    """`radiance` (K, n, n, 3) linear, `inverse_depth_px` (n, n), `focus_px` (K,) nearest first; all float32.

    `standing`: things stand on a table or the floor, so that their layout shows the sign of blur.
    """

    radiance: npt.NDArray[np.float32]
    inverse_depth_px: npt.NDArray[np.float32]
    focus_px: npt.NDArray[np.float32]
    standing: bool = False


def render_layers(scene: LayeredScene, focus_px: Map, spans: Map, margin: int) -> Map:
    """The compiled renderer: one frame after the other on one core."""
    return np.stack([_render(scene, float(focus), spans, margin) for focus in focus_px])


def generate_stack(
    rng: Rng, options: ProceduralOptions, photos: Sequence[Texture] = (), render: Renderer = render_layers
) -> ProceduralStack:
    """One stack of a new random scene, lens, exposure and aperture shape."""
    near_far_px, focus_px = _sample_lens(rng, options)
    margin = int(np.ceil(options.largest_coc_px / 2))
    scene = random_scene(rng, options.size_px + 2 * margin, near_far_px, photos)
    spans = _sample_aperture(rng)
    frames = render(scene, focus_px, spans, margin)
    inside = slice(margin, -margin)
    return ProceduralStack(_expose(rng, frames), scene.inverse_depth_px[inside, inside].copy(), focus_px)


def _sample_lens(rng: Rng, options: ProceduralOptions) -> tuple[tuple[float, float], npt.NDArray[np.float32]]:
    near = float(rng.uniform(*options.nearest_px))
    far = near * float(np.exp(rng.uniform(*np.log(options.farthest_fraction))))
    first = near + sample_gap_px(rng, near - far, options)
    last = far * rng.uniform(0.0, 0.95)
    focus = np.linspace(first, last, options.frames)
    focus[1:-1] += rng.uniform(-0.3, 0.3, options.frames - 2) * (first - last) / (options.frames - 1)
    return (near, far), focus.astype(np.float32)


def sample_gap_px(rng: Rng, spread_px: float, options: ProceduralOptions) -> float:
    """How far before a scene the first frame is focused: u of the focus less the scene's largest u.

    Half the time small, as where a camera is focused on what is nearest; half the time up to what the farthest blur
    leaves room for, as where a robot's nearest focus is far before all that it sees. `spread_px`: largest − smallest u.
    """
    largest_coc_px = min(LARGEST_TAUGHT_COC_PX, options.largest_coc_px)
    most_px = float(np.clip(largest_coc_px - spread_px, LEAST_ROOM_PX, LARGEST_GAP_PX))
    if rng.random() < 0.5:
        return float(np.exp(rng.uniform(np.log(SMALLEST_GAP_PX), np.log(min(SMALL_GAP_PX, most_px)))))
    return float(rng.uniform(SMALLEST_GAP_PX, most_px))


def _sample_aperture(rng: Rng) -> npt.NDArray[np.float32]:
    kind = rng.random()
    if kind < 0.6:
        return disc_spans()
    if kind < 0.85:
        return polygon_spans(int(rng.integers(5, 9)), float(rng.uniform(0, np.pi)))
    return cats_eye_spans(float(rng.uniform(0, 0.5)))


def _render(
    scene: LayeredScene, focus_px: float, spans: npt.NDArray[np.float32], margin: int
) -> npt.NDArray[np.float32]:
    picture = None
    for layer in scene.layers:
        blurred = gather_blur(layer.rgba, focus_px - layer.inverse_depth_px, spans, margin)
        covered = blurred[..., :3] if picture is None else picture * (1 - blurred[..., 3:]) + blurred[..., :3]
        picture = covered
    assert picture is not None  # a scene has at least its room
    return picture


def _expose(rng: Rng, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """One exposure for the whole stack: its mean lands between deep shadow and slight overexposure."""
    target = np.exp(rng.uniform(np.log(0.06), np.log(0.5)))
    return np.clip(frames * (target / max(float(frames[0].mean()), 1e-3)), 0, 1)
