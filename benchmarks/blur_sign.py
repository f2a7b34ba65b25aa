"""Which side of the focus are things on? Weights compared on rooms in which things stand, focused inside the scene.

    python benchmarks/blur_sign.py before.safetensors src/defocus_depth/models/released.safetensors \\
        --json docs/results/blur_sign.json --picture docs/images/blur_sign.jpg

The rooms are those of `defocus_training pool --procedural.standing-share 1` under seeds that no training draws.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import tyro
from matplotlib import colormaps
from rich.console import Console
from rich.progress import track

from defocus_depth.commands.dispatch import write_json
from defocus_depth.optics import from_linear
from defocus_training.data.procedural import ProceduralOptions
from defocus_training.data.simulated import standing_stack
from defocus_training.networks import DefocusModel
from defocus_training.networks.model import UNKNOWN_NEAREST_PX
from defocus_training.train.checkpoints import load_weights

SEED = 4_000_000  # pools draw from 10 000 000 on
BLURRED_PX = 2.0  # what is nearer to the focus has hardly a sign
ROOMS = ProceduralOptions(size_px=256, nearest_px=(20, 50))
SHOWN_ROOMS, SHOWN_COC_PX = 2, 20.0
JPEG_QUALITY = 80
Map = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """Score and show every model."""

    weights: tyro.conf.Positional[tuple[Path, ...]]
    """Files of weights (safetensors); figures and columns of the picture keep their order."""
    count: int = 24
    """Rooms."""
    json: Path | None = None
    """Write the figures to this file."""
    picture: Path | None = None
    """Write frames, true and estimated CoC of the first rooms to this file."""


@dataclass(frozen=True)
class Room:
    """A frame `image` (h, w, 3) 0..1, its focus φ and its true signed CoC (h, w), px."""

    image: Map
    focus_px: float
    coc_px: Map


def main(options: Options) -> None:
    """Show the models the same rooms."""
    models = {path.stem: load_weights(path).eval() for path in options.weights}
    rooms = list(track(_rooms(options.count), "rooms", total=options.count, console=Console(stderr=True)))
    estimates = {name: [_estimate(model, room) for room in rooms] for name, model in models.items()}
    result = {
        "rooms": options.count,
        "blurred_px": BLURRED_PX,
        "models": {name: _figures(rooms, cocs) for name, cocs in estimates.items()},
    }
    write_json(options.json, result)
    if options.picture:
        _draw(options.picture, rooms[:SHOWN_ROOMS], [cocs[:SHOWN_ROOMS] for cocs in estimates.values()])
    Console().print_json(json_module.dumps(result))


def _rooms(count: int) -> Iterator[Room]:
    """Each seen in the frame whose focus halves its pixels best."""
    for index in range(count):
        stack = standing_stack(np.random.default_rng([SEED, index]), ROOMS)
        nearer = [(stack.inverse_depth_px > focus).mean() for focus in stack.focus_px]
        chosen = int(np.argmin(np.abs(np.array(nearer) - 0.5)))
        coc = stack.focus_px[chosen] - stack.inverse_depth_px
        image = from_linear(stack.radiance[chosen], "srgb").astype(np.float32)
        yield Room(image, float(stack.focus_px[chosen]), coc.astype(np.float32))


@torch.no_grad()
def _estimate(model: DefocusModel, room: Room) -> Map:
    """Signed CoC (px): with a gain of 1 px per dioptre, φ is the focus."""
    image = torch.from_numpy(room.image.transpose(2, 0, 1)[None].copy())
    return model(image, torch.tensor([[1.0, room.focus_px, UNKNOWN_NEAREST_PX]])).coc[0, 0].numpy()


def _figures(rooms: list[Room], estimates: list[Map]) -> dict[str, float]:
    truth, found = np.stack([room.coc_px for room in rooms]), np.stack(estimates)
    near, far = truth < -BLURRED_PX, truth > BLURRED_PX
    return {
        "near_side_right": float((found[near] < 0).mean()),
        "far_side_right": float((found[far] > 0).mean()),
        "near_share": float(near.sum() / (near.sum() + far.sum())),
        "coc_mae_px": float(np.abs(found - truth).mean()),
    }


def _draw(path: Path, rooms: list[Room], estimates: list[list[Map]]) -> None:
    """One room a row: frame, true CoC, each model's; blue is nearer than the focus, red farther."""
    rows = [
        np.hstack([_encoded(room.image), *(_coloured(coc) for coc in (room.coc_px, *cocs))])
        for room, cocs in zip(rooms, zip(*estimates, strict=True), strict=True)
    ]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def _encoded(image: Map) -> npt.NDArray[np.uint8]:
    return np.asarray(np.rint(image * 255), np.uint8)


def _coloured(coc_px: Map) -> npt.NDArray[np.uint8]:
    shown = colormaps["coolwarm"](np.clip(coc_px / SHOWN_COC_PX * 0.5 + 0.5, 0, 1), bytes=True)
    return np.asarray(shown[..., :3], np.uint8)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
