"""What the demo's recording says: speed, latency, and the published maps against the camera's ground truth."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, JointState

from ..errors import ProcessError
from ..evaluation.baselines import median_depth_m
from ..evaluation.dataset import Sample
from ..evaluation.methods import Prediction
from ..evaluation.metrics import DepthMaps, abs_rel, is_depth, mean_figures
from ..evaluation.pixel_table import frame_figures
from ..messages.decode import decode_image
from ..messages.lens_state import LensStateBuffer, lens_state_from
from ..types import FloatArray, ImageArray, LensParameters
from . import demo_session as topics
from .demo_session import Session
from .recorder import Received


@dataclass(frozen=True)
class DemoFigures:
    """The demo's result, by the names of summary.json. Figures of depth are means over frames, of the dense maps.

    Attributes:
        frames_in: published by the camera.
        frames_out: depth maps that arrived in this process.
        fps: depth maps per second, from the first to the last.
        latency_ms_median, latency_ms_p95: from the image's stamp to the arrival of its depth map.
        abs_rel_constant: of the median of all true depths, on the same frames.
    """

    frames_in: int
    frames_out: int
    dropped: int
    fps: float
    latency_ms_median: float
    latency_ms_p95: float
    abs_rel: float
    abs_rel_constant: float
    rmse_m: float
    delta1: float
    coc_mae_px: float
    valid_fraction: float
    backend: str
    model_sha256: str


class DemoFrames:
    """The recorded frames that have a depth map and the truth to it.

    Args:
        lens: of the images.

    Raises:
        ProcessError: there is none.
    """

    def __init__(self, session: Session, lens: LensParameters) -> None:
        self._by_stamp = {name: {m.stamp_ns: m for m in kept} for name, kept in session.messages.items()}
        self._lens = lens
        self._lens_states = LensStateBuffer()
        for message in session.messages[topics.LENS_STATE]:
            self._lens_states.add(lens_state_from(deserialize_message(message.cdr, JointState)))
        truths, defocus = self._by_stamp[topics.TRUTH], self._by_stamp[topics.DEFOCUS]
        self.stamps_ns = [stamp for stamp in self._by_stamp[topics.DEPTH] if stamp in truths and stamp in defocus]
        if not self.stamps_ns:
            raise ProcessError("demo: expected depth maps with ground truth of the same stamp, got none")

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def truths_m(self) -> Iterator[FloatArray]:
        """True depth of each frame."""
        return (self._floats(topics.TRUTH, stamp) for stamp in self.stamps_ns)

    def sample(self, stamp_ns: int, image: ImageArray | None = None) -> Sample:
        """Truth, lens and focus of a frame; without an image a black one."""
        truth_m = self._floats(topics.TRUTH, stamp_ns)
        state = self._lens_states.at(stamp_ns)
        if state is None:
            raise ProcessError("demo: expected a lens_state before each image, got a later one")
        black = np.broadcast_to(np.uint8(0), truth_m.shape)
        picture = black if image is None else image
        return Sample(str(stamp_ns), "demo", picture, self._lens, state.focus_distance_m, truth_m)

    def prediction(self, stamp_ns: int) -> Prediction:
        """The published maps of a frame."""
        maps = DepthMaps(self._floats(topics.DEPTH, stamp_ns), self._floats(topics.DEFOCUS, stamp_ns))
        confident = stamp_ns in self._by_stamp[topics.CONFIDENCE]
        return Prediction(maps, self._floats(topics.CONFIDENCE, stamp_ns) if confident else None)

    def pictured(self) -> list[int]:
        """Stamps of the frames whose image and confidence were kept too."""
        images, confidences = self._by_stamp[topics.IMAGE], self._by_stamp[topics.CONFIDENCE]
        return [stamp for stamp in self.stamps_ns if stamp in images and stamp in confidences]

    def image(self, stamp_ns: int) -> ImageArray:
        """The camera's image."""
        return decode_image(self._message(topics.IMAGE, stamp_ns)).array

    def _floats(self, topic: str, stamp_ns: int) -> FloatArray:
        message = self._message(topic, stamp_ns)
        return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)

    def _message(self, topic: str, stamp_ns: int) -> Any:
        return deserialize_message(self._by_stamp[topic][stamp_ns].cdr, Image)


def frame_by_frame(frames: DemoFrames) -> Iterator[tuple[int, dict[str, float]]]:
    """Stamp and every figure of each frame, `abs_rel_constant` among them; all cores share the work."""
    constant_m = median_depth_m(frames.truths_m())

    def figures(stamp_ns: int) -> tuple[int, dict[str, float]]:
        truth = frames.sample(stamp_ns).truth
        true_m = truth.depth_m[is_depth(truth.depth_m)]
        by_constant = abs_rel(np.full_like(true_m, constant_m), true_m)
        measured = frame_figures(frames.prediction(stamp_ns).maps, truth)
        return stamp_ns, {**measured, "abs_rel_constant": by_constant}

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(figures, frames.stamps_ns)


def demo_figures(session: Session, frames: dict[int, dict[str, float]]) -> DemoFigures:
    """Sum the recording up, given what `frame_by_frame` found."""
    means: dict[str, Any] = mean_figures(list(frames.values()))
    named = {name: means[name] for name in ("abs_rel", "rmse_m", "delta1", "coc_mae_px", "valid_fraction")}
    return DemoFigures(
        **_speed(session.frames_in, session.messages[topics.DEPTH]),
        **named,
        abs_rel_constant=float(np.mean([figures["abs_rel_constant"] for figures in frames.values()])),
        backend=session.backend,
        model_sha256=session.model_sha256,
    )


def typical(frames: dict[int, dict[str, float]], stamps_ns: Sequence[int]) -> int:
    """Of some stamps, the one whose frame has the median AbsRel: neither the best nor the worst is shown."""
    ranked = sorted(stamps_ns, key=lambda stamp: frames[stamp]["abs_rel"])
    return ranked[len(ranked) // 2]


def _speed(frames_in: int, depths: list[Received]) -> dict[str, Any]:
    latencies_ms = [(depth.received_ns - depth.stamp_ns) * 1e-6 for depth in depths]
    seconds = (depths[-1].received_ns - depths[0].received_ns) * 1e-9
    return {
        "frames_in": frames_in,
        "frames_out": len(depths),
        "dropped": frames_in - len(depths),
        "fps": (len(depths) - 1) / seconds if seconds > 0 else 0.0,
        "latency_ms_median": float(np.median(latencies_ms)),
        "latency_ms_p95": float(np.percentile(latencies_ms, 95)),
    }
