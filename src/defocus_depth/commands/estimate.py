"""`defocus_depth estimate`: depth, circle-of-confusion and confidence maps of images, stacks and videos."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.progress import track
from tyro.conf import OmitArgPrefixes, Positional

from ..errors import ConfigError
from ..evaluation.estimation import KnownOptics, estimate_frame, focus_of
from ..evaluation.inputs import InputFrame, Source, find_sources
from ..evaluation.outputs import OutputNames, estimate_figures, write_estimate
from ..inference import AUTO, EstimatorConfig, load_estimator
from ..optics import focus_dpt
from ..optics.lens_file import LensFile, find_lens, read_lens
from ..types import LensParameters
from .dispatch import EXIT_OK, write_json

if TYPE_CHECKING:
    from ..inference import Estimator


@dataclass(frozen=True)
class Options:
    """Pictures in, maps out. Without lens or focus distance the result is relative, and called so."""

    inputs: Positional[tuple[Path, ...]]
    """Images, focal-stack folders, folders of either, video files."""
    out: Path
    """Folder for the maps."""
    lens: str | None = None
    """Lens YAML, or the name of one in config/lenses (macro, nyu, robot); not for stacks, which name their lens."""
    focal_length_m: float | None = None
    """Focal length in metres; with f-number and pixel pitch instead of a lens YAML."""
    f_number: float | None = None
    """f-number of the aperture."""
    pixel_pitch_m: float | None = None
    """Pixel pitch in metres, for the width of the given images."""
    focus_distance_m: float | None = None
    """Focus distance in metres, inf allowed; the lens YAML's near focus if not given; not for stacks, which say it
    themselves."""
    model: Path | None = None
    """ONNX model with its sidecar; the shipped one if not given."""
    backend: str = AUTO
    """Inference backend; auto takes the fastest there is."""
    estimator: Annotated[EstimatorConfig, OmitArgPrefixes] = field(default_factory=EstimatorConfig)
    json: Path | None = None
    """Write figures and file names of every frame to this file."""


def run(options: Options) -> int:
    """Estimate every frame of every input, write its maps, say where they are."""
    known = known_optics(options)
    sources = find_sources(options.inputs)
    estimator = load_estimator(options.model, options.backend, options.estimator)
    frames = track(
        _frames(sources),
        "estimating",
        total=sum(source.count for source in sources) or None,
        console=Console(stderr=True),
        transient=True,
    )
    names = OutputNames()
    entries, remarks = [], Counter[str]()
    for frame in frames:
        entries.append(_estimated(options.out, names.take(frame.name), frame, known, estimator))
        remarks.update(_remarks(frame, known))
    info = estimator.info
    made_with = {"backend": info.backend, "precision": info.precision, "model_sha256": info.model_sha256}
    write_json(options.json, {**made_with, "frames": entries})
    _say(options.out, len(entries), remarks)
    return EXIT_OK


def known_optics(options: Options) -> KnownOptics:
    """Lens and focus distance that the options give.

    Raises:
        ConfigError, OpticsError: a lens given twice or in part, or a focus distance it cannot have.
    """
    numbers = (options.focal_length_m, options.f_number, options.pixel_pitch_m)
    if options.lens is not None and any(number is not None for number in numbers):
        raise ConfigError("lens: expected --lens, or --focal-length-m --f-number --pixel-pitch-m, got both")
    lens_file: LensFile | None = None
    if options.lens is not None:
        lens_file = read_lens(find_lens(options.lens))
    elif any(number is not None for number in numbers):
        lens_file = LensFile(LensParameters(*numbers))
    lens = lens_file.lens if lens_file else None
    if options.focus_distance_m is not None:
        focus_dpt(options.focus_distance_m, lens)
    return KnownOptics(lens, options.focus_distance_m, lens_file.near_focus_distance_m if lens_file else None)


def _frames(sources: Sequence[Source]) -> Iterator[InputFrame]:
    for source in sources:
        yield from source.frames()


def _estimated(out: Path, name: str, frame: InputFrame, known: KnownOptics, estimator: Estimator) -> dict[str, Any]:
    estimate = estimate_frame(estimator, frame, known)
    height, width = frame.image.shape[:2]
    entry: dict[str, Any] = {"name": name, "source": str(frame.source), "width": width, "height": height}
    if estimate.metric:
        entry |= {"focus_dpt": estimate.focus_dpt, "blur_gain_px_per_dpt": estimate.blur_gain_px_per_dpt}
    return entry | estimate_figures(estimate) | {"files": write_estimate(out, name, frame.image, estimate)}


def _remarks(frame: InputFrame, known: KnownOptics) -> Iterator[str]:
    """What the user must know of how a frame was taken."""
    focus_m = focus_of(frame, known)
    if (frame.lens or known.lens) is None or focus_m is None or math.isnan(focus_m):
        yield (
            "are relative, not metres: lens or focus distance unknown (--lens or --focal-length-m --f-number "
            "--pixel-pitch-m, and --focus-distance-m or near_focus_distance_m in the lens YAML)"
        )
    elif frame.focus_distance_m is None and known.focus_distance_m is None:
        yield (
            f"are taken to be focused at {focus_m:g} m, the lens YAML's near_focus_distance_m, "
            "for want of --focus-distance-m"
        )
    if frame.lens is not None and known.lens is not None:
        yield "are of stacks that name their lens: that of the command line was not used for them"
    if frame.focus_distance_m is not None and known.focus_distance_m is not None:
        yield "are of stacks that say what is known of their focus: --focus-distance-m was not used for them"


def _say(out: Path, frames: int, remarks: Mapping[str, int]) -> None:
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(f"{frames} frames → {out}")
    for remark, count in remarks.items():
        console.print(f"{count} of them {remark}")
