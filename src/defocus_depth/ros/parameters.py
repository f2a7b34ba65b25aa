"""The depth node's parameters: one dataclass from which ROS parameters, YAML and the tables in the docs are made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import ConfigError
from ..inference import AUTO, BACKENDS, EstimatorConfig
from ..inference.backends import Precision
from ..share import user_path
from ..types import AUTO_TRANSFER, TRANSFERS
from .colors import COLORMAPS

Applies = Literal["at once", "in configure", "at start"]
Value = str | bool | int | float
TRANSPORTS = ("raw", "compressed")


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter, as descriptors, YAML and tables show it.

    Attributes:
        applies: `at once`; `in configure` (can be set only while the node is unconfigured); `at start` (read-only).
        minimum, maximum: inclusive; None for strings and flags.
        inf_allowed: whether infinity is a value although it lies above `maximum`.
    """

    name: str
    default: Value
    description: str
    applies: Applies = "at once"
    minimum: float | None = None
    maximum: float | None = None
    inf_allowed: bool = False
    choices: tuple[str, ...] = ()

    @property
    def constraint(self) -> str:
        """The values allowed, in words; empty where every value of the type is."""
        if self.choices:
            return ", ".join(self.choices)
        if self.minimum is None:
            return ""
        return f"{self.minimum:g}..{self.maximum:g}" + (" or inf" if self.inf_allowed else "")

    def check(self, value: Value) -> None:
        """Refuse a value outside the constraint.

        Raises:
            ConfigError: names the parameter, what was expected, and the value.
        """
        if not self._allows(value):
            raise ConfigError(f"{self.name}: expected {self.constraint}, got {value!r}")

    def _allows(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if self.minimum is None or self.maximum is None:
            return True
        return (self.inf_allowed and value == math.inf) or self.minimum <= value <= self.maximum


def parameter(default: Value, description: str, **constraints: Any) -> Any:
    """A field of a dataclass of ROS parameters; `constraints` as in `ParameterSpec`."""
    return dataclasses.field(default=default, metadata={"description": description, **constraints})


@dataclass(frozen=True)
class DepthNodeParameters:
    """Every parameter of the depth node with its default, description and range; 0 or "" mean "not given" where said.

    Raises:
        ConfigError: a value outside its range, or ranges whose ends are the wrong way round.
    """

    model: str = parameter(
        "",
        "Model file NAME.onnx with NAME.json beside it; empty: the one shipped in the package.",
        applies="in configure",
    )
    backend: str = parameter(
        AUTO,
        "Inference backend; auto takes the fastest that loads, and never builds an engine.",
        choices=(AUTO, *BACKENDS),
        applies="in configure",
    )
    threads: int = parameter(
        EstimatorConfig.threads,
        "CPU threads of the backend; 0: the library's choice.",
        minimum=0,
        maximum=256,
        applies="in configure",
    )
    precision: str = parameter(
        EstimatorConfig.precision,
        "Arithmetic of the backend, where it and the model have it; auto: the fastest faithful engine, f32 on CPUs.",
        choices=get_args(Precision),
        applies="in configure",
    )
    depth_min_m: float = parameter(
        EstimatorConfig.depth_min_m,
        "Nothing is nearer than this (m), the network is told; 0: than 0.35 m, the focus or its lens's near focus, "
        "whichever is nearest. With depth_max_m it chooses the working size (0: the first focus distance).",
        minimum=0.0,
        maximum=1e4,
        applies="in configure",
    )
    depth_max_m: float = parameter(
        EstimatorConfig.depth_max_m,
        "Farthest depth of interest (m).",
        minimum=1e-3,
        maximum=1e4,
        inf_allowed=True,
        applies="in configure",
    )
    image_transport: str = parameter(
        "raw",
        "raw: sensor_msgs/Image on image; compressed: sensor_msgs/CompressedImage on image/compressed.",
        choices=TRANSPORTS,
        applies="in configure",
    )
    lens_file: str = parameter(
        "",
        "Lens YAML, as a path or the name of one in config/lenses (macro, nyu, robot); "
        "empty: the lens parameters below alone.",
    )
    focal_length_m: float = parameter(0.0, "Focal length f (m); 0: the lens file's.", minimum=0, maximum=10)
    f_number: float = parameter(0.0, "f-number N; 0: the lens file's.", minimum=0, maximum=1000)
    pixel_pitch_m: float = parameter(
        0.0, "Pixel pitch p (m) of an image lens_image_width_px wide; 0: the lens file's.", minimum=0, maximum=1e-2
    )
    blur_gain_px_per_dpt: float = parameter(
        0.0,
        "Lens constant f²/(N·p) (px per dioptre) instead of f, N and p; 0: the lens file's.",
        minimum=0,
        maximum=1e6,
    )
    lens_image_width_px: int = parameter(
        0,
        "Width (px) of the full image for which pixel pitch or blur gain hold; "
        "0: the lens file's, and the image's own width without one.",
        minimum=0,
        maximum=100000,
    )
    focus_distance_m: float = parameter(
        0.0,
        "Focus distance (m) as long as no lens_state was received; 0: the lens file's near_focus_distance_m.",
        minimum=0,
        maximum=1e6,
        inf_allowed=True,
    )
    lens_state_max_age_s: float = parameter(
        0.0,
        "Oldest lens_state (s before the image's stamp) that still holds; 0: it holds for ever.",
        minimum=0,
        maximum=3600,
    )
    transfer: str = parameter(
        AUTO_TRANSFER,
        "Transfer function of the image's values; auto: linear for bayer_* and mono16, srgb otherwise.",
        choices=(AUTO_TRANSFER, *TRANSFERS),
    )
    min_confidence: float = parameter(
        0.0,
        "Published depth with less confidence becomes NaN; confidence and defocus stay dense.",
        minimum=0,
        maximum=1,
    )
    fusion_window: int = parameter(
        1,
        "Frames of a static scene, each at another focus distance, that are fused into every estimate; 1: none. "
        "Camera motion, another lens or any change that focus does not explain starts anew.",
        minimum=1,
        maximum=32,
    )
    fusion_max_age_s: float = parameter(2.0, "Oldest frame (s) that is still fused.", minimum=0.01, maximum=3600)
    publish_depth_mm: bool = parameter(
        False, "Also publish ~/depth/image_raw, 16UC1 in mm, 0 where unknown.", applies="in configure"
    )
    publish_points: bool = parameter(
        False,
        "Also publish ~/points, an organised xyzrgb cloud; needs a calibrated camera_info.",
        applies="in configure",
    )
    colormap: str = parameter("turbo", "Colour map of ~/depth/color.", choices=tuple(COLORMAPS))
    color_min_m: float = parameter(0.3, "Depth (m) at the warm end of ~/depth/color.", minimum=1e-3, maximum=1e4)
    color_max_m: float = parameter(
        3.0,
        "Depth (m) at the cold end of ~/depth/color; colours are spread evenly in 1/depth.",
        minimum=1e-3,
        maximum=1e4,
    )
    stale_after_s: float = parameter(
        2.0, "Time (s) without an image after which /diagnostics reports an error.", minimum=0.1, maximum=3600
    )
    autostart: bool = parameter(
        False, "Configure and activate at start, without a lifecycle manager.", applies="at start"
    )

    def __post_init__(self) -> None:
        for spec in parameter_specs():
            spec.check(getattr(self, spec.name))
        if not self.color_min_m < self.color_max_m:
            raise ConfigError(f"color_max_m: expected > color_min_m {self.color_min_m}, got {self.color_max_m}")
        self.estimator_config()

    def estimator_config(self) -> EstimatorConfig:
        """What the estimator is told."""
        return EstimatorConfig(self.depth_min_m, self.depth_max_m, self.threads, self.precision)  # type: ignore[arg-type]

    @property
    def model_path(self) -> Path | None:
        """The model file; None: the shipped one.

        Raises:
            ConfigError: `model` is no path.
        """
        return user_path(self.model) if self.model else None


def parameter_specs(parameters: type[Any] = DepthNodeParameters) -> Iterator[ParameterSpec]:
    """The parameters of a node in the order of its dataclass."""
    for field in dataclasses.fields(parameters):
        yield ParameterSpec(field.name, field.default, **field.metadata)  # type: ignore[arg-type]
