"""Pictures of a V4L2 camera with exposure, gain and white balance locked, and restored afterwards."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from linuxpy.video.device import Device, V4L2Error, VideoCapture

from defocus_depth.errors import DeviceError, ImageError
from defocus_depth.types import CameraIntrinsics, ImageArray

from ..devices import CapturedImage
from .options import DeviceOptions, V4l2Options
from .v4l2 import open_device
from .v4l2_controls import EXPOSURE, EXPOSURE_UNIT_US, GAIN, ControlBank, lock_exposure

_WARM_UP = 15  # pictures for automatic exposure and white balance to settle before they are locked
_MOST_BROKEN = 3  # pictures in a row
_PROBLEMS = (OSError, V4L2Error, StopIteration)


class V4l2Camera:
    """A streaming camera; `Frame.timestamp` is the kernel's monotonic clock, as is the rig's."""

    def __init__(self, options: V4l2Options, device: Device) -> None:
        """Start the stream, then lock exposure, gain and white balance.

        Raises:
            DeviceError: the camera refuses or is gone; what was changed is restored.
        """
        self._options, self._device = options, device
        self._controls = ControlBank(device, options.device)
        self._capture = VideoCapture(device)
        try:
            self._frames = self._start()
            for _ in range(_WARM_UP):
                self._frame()
            lock_exposure(self._controls, options.exposure_us)
        except DeviceError:
            self.close()
            raise

    def next_image(self) -> CapturedImage:
        """The next picture that is whole. Raises DeviceError when none comes in time or the camera is gone."""
        frame, pixels = self._whole_frame()
        age_ns = round((time.monotonic() - frame.timestamp) * 1e9)
        return CapturedImage(
            pixels,
            time.time_ns() - age_ns,
            frame.timestamp,
            self._setting(EXPOSURE, EXPOSURE_UNIT_US * 1e-6),
            self._setting(GAIN, 1.0),
        )

    def intrinsics(self) -> CameraIntrinsics | None:
        """V4L2 knows none."""
        return None

    def close(self) -> None:
        """Stop the stream and restore what was locked."""
        try:
            self._controls.restore()
        finally:
            with suppress(*_PROBLEMS):  # it may be unplugged
                self._capture.close()
            self._device.close()

    def _start(self) -> Iterator[Any]:
        try:
            self._capture.set_format(self._options.width_px, self._options.height_px, self._options.pixel_format)
            self._capture.open()
            return iter(self._capture)
        except _PROBLEMS as error:
            raise DeviceError(f"{self._options.device}: expected a stream of pictures, got {error}") from error

    def _whole_frame(self) -> tuple[Any, ImageArray]:
        """USB cameras hand over a broken picture now and then."""
        broken = 0
        while True:
            frame = self._frame()
            try:
                return frame, decoded(bytes(frame.data), (frame.width, frame.height), self._options)
            except ImageError as error:
                broken += 1
                if broken > _MOST_BROKEN:
                    raise DeviceError(f"{self._options.device}: {error}, {broken} times in a row") from error

    def _frame(self) -> Any:
        name, limit_s = self._options.device, self._options.timeout_s
        try:
            if not select.select([self._device], [], [], limit_s)[0]:
                raise DeviceError(f"{name}: expected a picture within {limit_s:g} s, got none")
            return next(self._frames)
        except _PROBLEMS as error:
            raise DeviceError(f"{name}: expected a picture, got {error or 'the end of the stream'}") from error

    def _setting(self, control: int, unit: float) -> float | None:
        return self._controls.read(control) * unit if self._controls.has(control) else None


def decoded(data: bytes, size: tuple[int, int], options: V4l2Options) -> ImageArray:
    """RGB (H, W, 3) or, from GREY, mono (H, W).

    Raises:
        ImageError: a picture that is cut off or does not decode.
    """
    width, height = size
    samples = np.frombuffer(data, np.uint8)
    channels = {"MJPG": 0, "YUYV": 2, "GREY": 1}[options.pixel_format]
    if samples.size < width * height * channels:
        raise ImageError(f"picture: expected {width * height * channels} bytes, got {samples.size}")
    if options.pixel_format == "MJPG":
        picture = cv2.imdecode(samples, cv2.IMREAD_COLOR) if samples.size else None
        if picture is None:
            raise ImageError(f"picture: expected a JPEG, got {samples.size} bytes of something else")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    packed = samples[: width * height * channels]
    if options.pixel_format == "GREY":
        return packed.reshape(height, width)
    return cv2.cvtColor(packed.reshape(height, width, 2), cv2.COLOR_YUV2RGB_YUYV)


def open_camera(options: DeviceOptions) -> V4l2Camera:
    """The camera, streaming.

    Raises:
        DeviceError: see `open_device` and `V4l2Camera`.
    """
    return V4l2Camera(options.v4l2, open_device(options.v4l2.device))
