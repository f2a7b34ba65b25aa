"""Streams a large generated bag through `evaluate-bag` and measures peak memory and where the time goes.

python benchmarks/stream_bag.py --gigabytes 2 --width 1280

The images are noise, which does not compress: the bag has the size on disk that it has in memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from defocus_depth.evaluation.bags.reader import RecordedMessage, RecordedTopic
from defocus_depth.evaluation.bags.standard import IMAGE, header, image
from defocus_depth.evaluation.bags.writer import new_bag

_RUN = "from defocus_depth.cli import run; run()"
_TOPICS = {"/image": IMAGE, "/depth": IMAGE}
_FRAME_NS = 33_333_333
_NOISE_FRAMES = 8  # different ones, in turn
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Options:
    gigabytes: float = 2.0
    """Size of the bag (GB)."""
    width: int = 1280
    """Width of images and depth maps (px); they are 4:3."""
    scratch: Path = Path(tempfile.gettempdir())
    """Where the bag is made."""
    report: bool = False
    """Also write the report."""


def main(options: Options) -> None:
    """Make the bag, evaluate it in a process of its own, print the figures as JSON."""
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        bag, timing = Path(folder) / "noise.mcap", Path(folder) / "timing.json"
        frames = make_bag(bag, options.gigabytes * 1e9, options.width)
        command = [sys.executable, "-c", _RUN, "evaluate-bag", str(bag), "--image-topic", "/image", "--lens", "robot"]
        command += ["--ground-truth-topic", "/depth", "--timing-json", str(timing)]
        command += ["--report", f"{folder}/report"] if options.report else []
        subprocess.run(command, check=True, cwd=_ROOT)
        figures = {
            "bag_gb": bag.stat().st_size / 1e9,
            "frames": frames,
            "image": f"{options.width}x{options.width * 3 // 4}",
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
            "timing": json.loads(timing.read_text()),
        }
    print(json.dumps(figures, indent=2))


def make_bag(path: Path, size: float, width: int) -> int:
    """Write noise with smooth truth until the bag has `size` bytes; returns the number of frames."""
    random, height = np.random.default_rng(0), width * 3 // 4
    pictures = [random.integers(0, 256, (height, width, 3), np.uint8) for _ in range(_NOISE_FRAMES)]
    depth_m = np.linspace(0.4, 3.0, width * height, dtype=np.float32).reshape(height, width)
    depth_m = depth_m * random.uniform(0.99, 1.01, depth_m.shape).astype(np.float32)
    written = frames = 0
    with new_bag(path) as bag:
        for name, kind in _TOPICS.items():
            bag.add_topic(RecordedTopic(name, kind))
        while written < size:
            for message in _messages(pictures[frames % _NOISE_FRAMES], depth_m, frames * _FRAME_NS):
                bag.write(message)
                written += len(message.cdr)
            frames += 1
    return frames


def _messages(picture: Any, depth_m: Any, stamp_ns: int) -> list[RecordedMessage]:
    head = header(stamp_ns, "camera")
    contents = {"/image": image(head, picture, "rgb8"), "/depth": image(head, depth_m, "32FC1")}
    return [RecordedMessage(topic, stamp_ns, cdr) for topic, cdr in contents.items()]


if __name__ == "__main__":
    main(tyro.cli(Options))
