"""The measured part of the demo: camera and depth node as two processes over DDS, and this one that records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown
from sensor_msgs.msg import CameraInfo, Image, JointState

from ..errors import ProcessError
from .diagnostics import WATCHED
from .processes import NodeProcess
from .recorder import Received, Recorder, Wanted

CAMERA_MODULE, NODE_MODULE = "defocus_depth.ros.simulated_camera", "defocus_depth.ros.depth_node"
IMAGE, CAMERA_INFO, LENS_STATE, TRUTH = "image", "camera_info", "lens_state", "ground_truth/depth/image"
DEPTH, DEFOCUS, CONFIDENCE = "depth/depth/image", "depth/defocus/image", "depth/confidence/image"
DEPTH_INFO = "depth/depth/camera_info"
EVERY = 10  # of the topics that are only looked at, this many-th frame is kept
# The depth node's, listened to before the camera's images are: for those the camera waits.
OUTPUTS = (
    Wanted(DEPTH, Image),
    Wanted(DEFOCUS, Image),
    Wanted(CONFIDENCE, Image, EVERY),
    Wanted(DEPTH_INFO, CameraInfo, EVERY),
)
IMAGES = Wanted(IMAGE, Image, EVERY)
TOPICS = (IMAGES, Wanted(CAMERA_INFO, CameraInfo), Wanted(LENS_STATE, JointState), Wanted(TRUTH, Image), *OUTPUTS)
# To the camera's images: the depth node, which subscribes when it is active, and this process, once that reaches it.
_LISTENERS = 2
_SPIN_S = 0.1
_SILENCE_S = 5.0  # after which no further depth map is expected


@dataclass(frozen=True)
class SessionSettings:
    """What is run.

    Attributes:
        rate_hz: frames per second of the camera.
        scenes: that the camera tours.
        patience_s: longest time before the first depth map in which neither process says anything; a first run
            renders its scenes then, and tells how far it is.
    """

    frames: int = 200
    rate_hz: float = 30.0
    width_px: int = 640
    scenes: int = 8
    backend: str = "auto"
    threads: int = 0
    patience_s: float = 300.0


@dataclass(frozen=True)
class Session:
    """What was recorded, as it arrived.

    Attributes:
        messages: by topic, in the order of arrival.
        frames_in: published by the camera: all, where it ended by itself; else those of which anything came.
        cpu_percent: by process (camera, node), while depth maps came; 100 = one core.
    """

    messages: dict[str, list[Received]]
    frames_in: int
    cpu_percent: dict[str, float]
    backend: str
    model_sha256: str


Progress = Callable[[int, str], None]


def record_session(
    settings: SessionSettings, environment: dict[str, str], scratch: Path, progress: Progress
) -> Session:
    """Start camera and node, record until the camera's frames are through, stop them.

    Args:
        environment: of the two processes; this one must have it too, before rclpy is imported.
        scratch: folder for their output.
        progress: called with the number of depth maps received so far and the camera's last words.

    Raises:
        ProcessError: one of them ended with an error, or no depth map came in time.
    """
    with _node() as node, ExitStack() as running:
        watch = _Watch(node)
        watch.processes["node"] = running.enter_context(
            NodeProcess(NODE_MODULE, _node_arguments(settings), environment, scratch / "depth_node.log")
        )
        watch.processes["camera"] = running.enter_context(
            NodeProcess(CAMERA_MODULE, _camera_arguments(settings), environment, scratch / "camera.log")
        )
        watch.spin(settings, progress)
        return watch.session(settings)


@contextmanager
def _node() -> Iterator[Node]:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        yield rclpy.create_node("demo_recorder")
    finally:
        try_shutdown()


@dataclass
class _Watch:
    """Records, and knows from what arrives when the processes have done their work."""

    node: Node
    processes: dict[str, NodeProcess] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.node, [topic for topic in TOPICS if topic is not IMAGES], self._arrived)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        self._usage: list[tuple[float, dict[str, float]]] = []
        self._words: dict[str, str] = {}
        self._last_arrival_s = time.monotonic()

    def spin(self, settings: SessionSettings, progress: Progress) -> None:
        """Return when all frames are through, or the last came a while ago."""
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        while not self._finished(settings.frames):
            executor.spin_once(timeout_sec=_SPIN_S)
            for process in self.processes.values():
                process.check()
            if not self._usage:
                self._check_patience(settings.patience_s)
            progress(self.recorder.arrivals[DEPTH], self._words.get("camera", ""))

    def session(self, settings: SessionSettings) -> Session:
        """What was recorded."""
        messages = self.recorder.messages
        seen = {message.stamp_ns for topic in (TRUTH, CAMERA_INFO) for message in messages[topic]}
        return Session(
            messages=messages,
            frames_in=len(seen) if self.processes["camera"].running else settings.frames,
            cpu_percent=self._cpu_percent(),
            backend=self.about.get("backend", ""),
            model_sha256=self.about.get("model sha256", ""),
        )

    def _check_patience(self, patience_s: float) -> None:
        words = {name: process.last_words(1) for name, process in self.processes.items()}
        now_s = time.monotonic()
        if words != self._words:
            self._words, self._last_arrival_s = words, now_s
        if now_s - self._last_arrival_s > (patience_s if self.processes["camera"].running else _SILENCE_S):
            said = "; ".join(f"{name} said {text!r}" for name, text in words.items())
            raise ProcessError(f"demo: expected a depth map, got none; {said}")

    def _arrived(self, topic: str) -> None:
        self._last_arrival_s = time.monotonic()
        if topic == DEPTH:
            with suppress(ProcessError):  # the camera may end with its last frame
                self._usage[1:] = [(self._last_arrival_s, {n: p.cpu_s() for n, p in self.processes.items()})]

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self.about.update({pair.key: pair.value for status in message.status for pair in status.values})
        if IMAGE not in self.recorder.arrivals and int(self.about.get(WATCHED, "0")) >= len(OUTPUTS):
            self.recorder.add(IMAGES)  # the node reaches us: what it makes of the first image will arrive

    def _finished(self, frames: int) -> bool:
        """All depth maps are here, or no more come; and the camera has ended, unless it hangs."""
        quiet_s = time.monotonic() - self._last_arrival_s
        complete = self.recorder.arrivals[DEPTH] >= frames and not self.processes["camera"].running
        return bool(self._usage) and (complete or quiet_s > _SILENCE_S)

    def _cpu_percent(self) -> dict[str, float]:
        if len(self._usage) < 2:
            return dict.fromkeys(self.processes, float("nan"))
        (begin_s, before), (end_s, after) = self._usage
        return {name: 100 * (after[name] - before[name]) / (end_s - begin_s) for name in before}


def _node_arguments(settings: SessionSettings) -> list[str]:
    return _ros_arguments(autostart="true", lens_file="robot", backend=settings.backend, threads=settings.threads)


def _camera_arguments(settings: SessionSettings) -> list[str]:
    pictures = {"width_px": settings.width_px, "scenes": settings.scenes}
    return _ros_arguments(frames=settings.frames, rate_hz=settings.rate_hz, wait_for_subscribers=_LISTENERS, **pictures)


def _ros_arguments(**parameters: object) -> list[str]:
    return ["--ros-args", *(argument for name, value in parameters.items() for argument in ("-p", f"{name}:={value}"))]
