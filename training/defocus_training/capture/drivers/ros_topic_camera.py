"""Pictures from a ROS topic; exposure is locked by the driver's parameters (`ros.locks`), not from here."""

from __future__ import annotations

from defocus_depth.ros.camera_client import RosSession, TopicCamera
from defocus_depth.types import CameraIntrinsics

from ..devices import CapturedImage
from .options import DeviceOptions


class RosTopicCamera:
    """A topic; when a picture was taken is not known in the machine's time, so when it came is used."""

    def __init__(self, camera: TopicCamera, session: RosSession) -> None:
        self._camera, self._session = camera, session
        self._size = (0, 0)

    def next_image(self) -> CapturedImage:
        """The next picture. Raises DeviceError when none comes."""
        image = self._camera.next_image()
        self._size = (image.pixels.shape[1], image.pixels.shape[0])
        return CapturedImage(image.pixels, image.stamp_ns, image.arrived_s, transfer=image.transfer)

    def intrinsics(self) -> CameraIntrinsics | None:
        """From camera_info; None where none came, or before the first picture."""
        return self._camera.intrinsics(*self._size) if all(self._size) else None

    def close(self) -> None:
        """Stop listening."""
        self._session.close()


def open_camera(options: DeviceOptions) -> RosTopicCamera:
    """The topic, subscribed."""
    session = RosSession("defocus_camera", options.ros.timeout_s)
    return RosTopicCamera(TopicCamera(session, options.ros.image, options.ros.camera_info), session)
