"""Which driver and camera, and what each of them needs to know: the one place of their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .simulated_options import SimulatedOptions

DriverName = Literal["simulated", "v4l2", "ros_parameter", "i2c_vcm", "manual"]
CameraName = Literal["auto", "v4l2", "ros_topic"]


@dataclass(frozen=True)
class V4l2Options:
    """A camera of the Linux kernel (UVC webcams, CSI cameras)."""

    device: str = "/dev/video0"
    """Device file."""
    width_px: int = 1280
    """Width of the pictures (px)."""
    height_px: int = 720
    """Height of the pictures (px)."""
    pixel_format: Literal["MJPG", "YUYV", "GREY"] = "MJPG"
    """Format of the pictures on the wire."""
    exposure_us: int = 0
    """Exposure time (µs); 0: lock what automatic exposure has chosen."""
    settle_s: float = 0.3
    """Time that the lens needs for a move (s)."""
    timeout_s: float = 5.0
    """Longest wait (s) for a picture."""
    nearer_is_higher: bool = True
    """Whether higher values of focus_absolute focus nearer."""


@dataclass(frozen=True)
class RosOptions:
    """A camera node: pictures from a topic, focus through one of its parameters."""

    image: str = "image"
    """Topic of the pictures (sensor_msgs/Image), or of sensor_msgs/CompressedImage where it ends in /compressed."""
    camera_info: str = "camera_info"
    """Topic of the calibration."""
    node: str = "/camera"
    """Name of the camera node."""
    parameter: str = "focus_absolute"
    """Parameter that moves the focus: usb_cam focus, v4l2_camera focus_absolute, camera_ros LensPosition."""
    least: float = 0.0
    """Least value of the parameter; used with `most` where the node declares no range."""
    most: float = 0.0
    """Greatest value of the parameter; 0: the range that the node declares."""
    dioptres: bool = False
    """The parameter is in dioptres (assumed of LensPosition)."""
    locks: tuple[str, ...] = ()
    """Parameters to set while capturing, NAME=VALUE, restored afterwards: AfMode=0 AeEnable=false."""
    settle_s: float = 0.3
    """Time that the lens needs for a move (s)."""
    timeout_s: float = 5.0
    """Longest wait (s) for a picture or an answer."""
    nearer_is_higher: bool = True
    """Whether higher values of the parameter focus nearer."""


@dataclass(frozen=True)
class I2cOptions:
    """A voice-coil lens on an I2C bus (Arducam and others with a DW9714-like chip)."""

    bus: int = 1
    """Number of the bus: 1 is /dev/i2c-1."""
    address: int = 0x0C
    """Address of the chip."""
    settle_s: float = 0.1
    """Time that the lens needs for a move (s)."""
    retries: int = 5
    """How often a write is tried again that the chip did not acknowledge."""
    nearer_is_higher: bool = True
    """Whether higher codes focus nearer."""


@dataclass(frozen=True)
class ManualOptions:
    """A lens that a person focuses by its scale."""

    nearest_m: float = 0.3
    """Nearest mark on the scale (m); the farthest is infinity."""


@dataclass(frozen=True)
class DeviceOptions:
    """Focus actuator and camera."""

    driver: DriverName = "simulated"
    """What moves the focus."""
    camera: CameraName = "auto"
    """Where pictures come from; auto: the simulation, the ROS topic or V4L2, as goes with the driver."""
    simulated: SimulatedOptions = field(default_factory=SimulatedOptions)
    v4l2: V4l2Options = field(default_factory=V4l2Options)
    ros: RosOptions = field(default_factory=RosOptions)
    i2c: I2cOptions = field(default_factory=I2cOptions)
    manual: ManualOptions = field(default_factory=ManualOptions)
