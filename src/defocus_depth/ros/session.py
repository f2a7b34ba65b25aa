"""Everything that lives from configure to cleanup: estimator, publishers and, while active, the stream of images."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, JointState

from ..errors import DefocusDepthError
from ..messages.camera_info import is_calibrated
from ..messages.decode import decode_compressed, decode_image
from ..messages.lens_setting import LensSetting, Skip, setting_at
from ..messages.lens_state import LensStateBuffer, lens_state_from, stamp_ns
from ..optics.lens_file import LensFile
from .camera import CameraTracker
from .frame_statistics import FrameStatistics, PublishedFrame
from .inputs import InputCallbacks, Subscriptions
from .messages.bridge import best_unpack
from .outputs import MapPublishers
from .parameters import DepthNodeParameters
from .pipeline import DepthEstimator, DepthPipeline, FrameMaps
from .throttle import Throttle
from .topics import Topic
from .worker import NewestWinsWorker


@dataclass(frozen=True)
class Settings:
    """What may change while images stream; replaced as a whole."""

    parameters: DepthNodeParameters
    lens_file: LensFile | None
    lens: LensSetting


@dataclass(frozen=True)
class Arrival:
    """An image message and when it came (`time.monotonic`)."""

    message: Any
    monotonic_s: float


class DepthSession:
    """From image messages to published maps. `settings` may be replaced from the executor's thread at any time."""

    def __init__(
        self, node: LifecycleNode, settings: Settings, estimator: DepthEstimator, statistics: FrameStatistics
    ) -> None:
        self.settings = settings
        self.estimator = estimator
        self._node = node
        self._statistics = statistics
        self._throttle = Throttle()
        self._camera = CameraTracker()
        self._lens_states = LensStateBuffer()
        self._pipeline = DepthPipeline(estimator, self._decoder(settings.parameters.image_transport))
        self._outputs = MapPublishers(node, settings.parameters, self._camera)
        self._worker: NewestWinsWorker[Arrival] | None = None
        self._inputs: Subscriptions | None = None

    @property
    def image_topic(self) -> str:
        """Full name of the image topic; "" while inactive."""
        return self._inputs.image_topic if self._inputs else ""

    @property
    def watched_topics(self) -> int:
        """Of the maps, those with a subscriber that the middleware has found."""
        return len(self._outputs.wanted())

    def activate(self) -> None:
        """Start to listen and to work."""
        self._worker = NewestWinsWorker(self._handle, "depth worker")
        callbacks = InputCallbacks(
            self._on_image,
            self._camera_info_arrived,
            self._on_lens_state,
            self._on_earlier_lens_state,
            self._on_lost,
        )
        self._inputs = Subscriptions(self._node, self.settings.parameters.image_transport, callbacks)
        self._statistics.watch(active=True)

    def deactivate(self) -> None:
        """Stop listening, finish the frame in work, forget lens and frames: both may move unseen from now on."""
        self._statistics.watch(active=False)
        if self._inputs:
            self._inputs.destroy()
            self._inputs = None
        if self._worker:
            self._worker.stop()
            self._worker = None
        self._lens_states.clear()
        self._pipeline.forget()

    def close(self) -> None:
        """Free everything."""
        self.deactivate()
        self._outputs.destroy()
        self.estimator.close()

    def _decoder(self, transport: str) -> Callable[[Any], Any]:
        if transport == "compressed":
            return decode_compressed
        unpack, warning = best_unpack()
        if warning:
            self._node.get_logger().warning(warning)
        return lambda message: decode_image(message, unpack)

    def _on_image(self, message: Any) -> None:
        self._statistics.image_arrived()
        if self._worker and self._worker.submit(Arrival(message, monotonic())):
            self._statistics.count("replaced")

    def _on_lost(self, number: int) -> None:
        self._statistics.count("lost", number=number)

    def _camera_info_arrived(self, message: CameraInfo) -> None:
        self._camera.update(message)
        if not is_calibrated(message):
            self._warn("camera_info", "camera_info: expected a calibrated camera, K is zeros: no point cloud")

    def _on_lens_state(self, message: JointState) -> None:
        try:
            self._lens_states.add(lens_state_from(message))
        except DefocusDepthError as error:
            self._refuse("lens_state_refused", str(error))

    def _on_earlier_lens_state(self, message: JointState) -> None:
        with suppress(DefocusDepthError):  # new ones come here too, and are refused above
            self._lens_states.recall(lens_state_from(message))

    def _handle(self, arrival: Arrival) -> None:
        try:
            self._process(arrival)
        except DefocusDepthError as error:
            self._refuse("refused", str(error))
        except Exception as error:  # a bug, or the context was shut down under a publisher
            if self._node.context.ok():
                self._statistics.count("failed", f"{type(error).__name__}: {error}")
                if self._throttle.passes(f"failed {error!r}"):
                    self._node.get_logger().error(f"frame failed unexpectedly:\n{traceback.format_exc()}")
        finally:
            self._statistics.image_done()

    def _process(self, arrival: Arrival) -> None:
        settings, wanted = self.settings, self._outputs.wanted()
        if not wanted:
            self._statistics.count("unwatched")
            return
        lens = setting_at(
            stamp_ns(arrival.message.header), self._lens_states, settings.lens, settings.parameters.lens_state_max_age_s
        )
        if isinstance(lens, Skip):
            self._warn(lens.kind, lens.reason)
            return
        maps = self._pipeline.process(arrival.message, lens, settings.parameters, self._camera.full_width_px)
        self._publish(arrival, wanted, maps)

    def _publish(self, arrival: Arrival, wanted: list[Topic], maps: FrameMaps) -> None:
        header = arrival.message.header
        if problem := self._outputs.publish(wanted, maps, header):
            self._warn("camera_info", problem)
        age_ns = self._node.get_clock().now().nanoseconds - stamp_ns(header)
        frame = PublishedFrame(monotonic() - arrival.monotonic_s, age_ns * 1e-9, maps.invalid_ratio)
        self._statistics.frame_published(frame)

    def _warn(self, kind: str, reason: str) -> None:
        self._statistics.count(kind, reason)
        if self._throttle.passes(reason):
            self._node.get_logger().warning(reason)

    def _refuse(self, kind: str, reason: str) -> None:
        self._statistics.count(kind, reason)
        if self._throttle.passes(reason):
            self._node.get_logger().error(reason)
