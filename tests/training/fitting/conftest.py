"""Small simulated stacks with exact depth, and how they are changed into what real cameras give."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.special import j1

from defocus_depth.optics import focus_dpt, from_linear, to_linear
from defocus_depth.simulation.rendering import RenderOptions, render_stack
from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.simulation.scenes import make_scene
from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame
from defocus_training.fitting.options import FitOptions, RefineOptions, Stage
from defocus_training.fitting.views import Noise, Views

SEED, MARGIN_PX = 7, 16
RIG = ROBOT.at_size(192, 144)
QUICK = FitOptions(
    refine=RefineOptions(
        coarse=Stage(stride=8, steps=6, depth_rate_px=0.3, smoothness=4.0),
        fine=Stage(stride=4, steps=4, depth_rate_px=0.1, smoothness=8.0),
    )
)


@dataclasses.dataclass(frozen=True)
class Simulated:
    """A stack folder and its exact depth (m)."""

    path: Path
    depth_m: np.ndarray


@pytest.fixture(scope="session")
def rendered() -> tuple[list[np.ndarray], np.ndarray]:
    """Five frames (uint8, 192x144) of a scene, and its depth."""
    frames = render_stack(make_scene(RIG, SEED), RIG, RIG.sweep_m, RenderOptions(samples_per_pixel=64))
    return [frame.image for frame in frames], frames[0].depth_m


@pytest.fixture(scope="session")
def simulated(rendered, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """The stack as rendered, 160x112."""
    images, depth_m = rendered
    path = tmp_path_factory.mktemp("stacks") / "plain"
    return write_cropped(path, images, depth_m)


def write_cropped(path: Path, images: Sequence[np.ndarray], depth_m: np.ndarray, **changed) -> Simulated:
    """Write the pictures without their margins; `changed` replaces fields of the stack."""
    inner = slice(MARGIN_PX, -MARGIN_PX)
    height, width = (size - 2 * MARGIN_PX for size in depth_m.shape)
    camera = CameraIntrinsics(width, height, RIG.camera.fx, RIG.camera.fy, (width - 1) / 2, (height - 1) / 2)
    frames = tuple(Frame(f"{index:03d}.png", focus_m) for index, focus_m in enumerate(RIG.sweep_m))
    lens = dataclasses.replace(RIG.lens, image_width_px=width)  # cropped, not resized
    meta = FocalStack(path, frames, lens, camera)
    cropped = [np.ascontiguousarray(image[inner, inner]) for image in images]
    truth = np.ascontiguousarray(depth_m[inner, inner])
    write_stack(path, dataclasses.replace(meta, **changed), cropped, truth)
    return Simulated(path, truth)


def relative_frames() -> tuple[Frame, ...]:
    """The sweep of frames whose distances nobody knows; the coordinate happens to be half the dioptres."""
    coordinates = [float(focus_dpt(focus_m, RIG.lens)) / 2 for focus_m in RIG.sweep_m]
    return tuple(Frame(f"{index:03d}.png", focus_coordinate=value) for index, value in enumerate(coordinates))


def breathed(image: np.ndarray, scale: float, shift_px: tuple[float, float], exposure: float) -> np.ndarray:
    """The picture enlarged about its centre, moved, and exposed differently."""
    height, width = image.shape[:2]
    centre = np.array([width / 2, height / 2])
    affine = np.column_stack([scale * np.eye(2), centre * (1 - scale) + shift_px])
    radiance = to_linear(image.astype(np.float32) / 255, "srgb").astype(np.float32) * exposure
    moved = cv2.warpAffine(radiance, affine, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.rint(np.clip(from_linear(np.clip(np.asarray(moved, np.float32), 0, 1), "srgb"), 0, 1) * 255).astype(
        np.uint8
    )


def flat_views(inverse_depth: float, gain: float = 20.0, noise: float = 0.003) -> Views:
    """A wall of noise-like texture at one depth, five foci, blurred in the frequency domain."""
    rng, size = np.random.default_rng(3), 96
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1 / size
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) / (frequency + 1 / size)
    spectrum[0, 0] = 0
    spectrum *= 0.08 / np.fft.irfft2(spectrum).std()
    focus = np.linspace(2.6, 0.6, 5)
    arguments = [np.pi * max(gain * abs(f - inverse_depth), 1e-3) * frequency for f in focus]
    frames = [np.fft.irfft2(spectrum * 2 * j1(argument) / argument) + 0.4 for argument in arguments]
    noisy = np.stack(frames) + rng.normal(0, noise, (5, size, size))
    colour = np.repeat(noisy[..., None], 3, 3).astype(np.float32)
    valid = np.ones(colour.shape[:3], np.float32)
    return Views(colour, valid, np.full(5, gain), focus, np.ones(5), Noise(noise, 0.4), metric=True)
