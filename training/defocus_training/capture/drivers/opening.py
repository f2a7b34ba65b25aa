"""Opens a driver and a camera by name, importing only what they need."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import ExitStack

from defocus_depth.errors import ConfigError, DeviceError, install_hint

from ..devices import CameraSource, CaptureRig, FocusActuator, SystemClock
from .options import DeviceOptions

_AUTO_CAMERA = {"v4l2": "v4l2", "ros_parameter": "ros_topic", "i2c_vcm": "v4l2", "manual": "v4l2"}
_HERE = __package__

ActuatorOpener = Callable[[DeviceOptions], FocusActuator]
CameraOpener = Callable[[DeviceOptions], CameraSource]


def open_rig(options: DeviceOptions) -> CaptureRig:
    """Actuator, camera and clock, ready for a sweep; automatic focus, exposure and white balance are off from here on.

    Raises:
        DeviceError: a device is not there or refuses; whatever was changed already is restored.
        ConfigError: names that do not go together.
    """
    if options.driver == "simulated":
        if options.camera != "auto":
            raise ConfigError(f"camera: expected auto with the driver simulated, got {options.camera}")
        return _module("simulated").SimulatedBench(options.simulated).open()
    camera_name = _AUTO_CAMERA[options.driver] if options.camera == "auto" else options.camera
    with ExitStack() as undo:
        actuator: FocusActuator = _module(options.driver).open_actuator(options)
        undo.callback(actuator.close)
        camera: CameraSource = _module(f"{camera_name}_camera").open_camera(options)
        undo.pop_all()
    return CaptureRig(actuator, camera, SystemClock())


def _module(name: str):
    try:
        return importlib.import_module(f"{_HERE}.{name}")
    except ModuleNotFoundError as error:
        wanted = install_hint("capture")
        raise DeviceError(f"driver {name}: expected Python package {error.name!r}: {wanted}") from error
