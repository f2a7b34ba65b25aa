"""One defocused image in, metric depth, circle of confusion and confidence out: NumPy on both sides."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from ..errors import ConfigError, OpticsError
from ..optics import blur_gain_px_per_dpt, coc_from_inverse_depth, focus_distance_m, focus_dpt, lens_constant_px_per_dpt
from ..types import DepthEstimate, FloatArray, ImageArray, LensParameters, Transfer
from .artifact import ModelArtifact, load_artifact
from .backends import AUTO, BackendRequest, PixelBackend, Precision, Preparation, load_backend
from .pixels import check_image, to_unit_floats
from .working_size import WorkingGeometry, blur_span_px, choose_geometry

_LOG = logging.getLogger(__name__)
NEAREST_SCENE_M = 0.35
_SAME_LENS = 0.05  # relative change of f²/(N·p) up to which the working size is kept


@dataclass(frozen=True)
class EstimatorConfig:
    """What an estimator may be told. The defaults of the node and of the command line come from here.

    Attributes:
        depth_min_m: nearest depth of interest (m). It tells the network that nothing is nearer, which settles on which
            side of the focus what is blurred lies, and with depth_max_m it chooses the working size; estimates are
            never clamped. 0: nothing nearer than 0.35 m, the focus, or the nearest focus known of the lens or its
            sweep, whichever is nearest, and the working size is that for the first focus distance.
        depth_max_m: farthest depth of interest (m, inf allowed).
        threads: CPU threads of the backend, 0 = the library's choice.
        precision: of the arithmetic, where the backend has it. auto: on a GPU the fastest engine that kept to the
            float32 graph's maps, on a CPU f32. f16 and int8 are graphs of their own beside the model.

    Raises:
        ConfigError: a value out of its range.
    """

    depth_min_m: float = 0.0
    depth_max_m: float = 10.0
    threads: int = 0
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.depth_min_m < self.depth_max_m:
            raise ConfigError(
                f"depth range: expected 0 ≤ depth_min_m < depth_max_m, got {self.depth_min_m} and {self.depth_max_m}"
            )
        if self.threads < 0:
            raise ConfigError(f"threads: expected ≥ 0, got {self.threads}")
        if self.precision not in get_args(Precision):
            raise ConfigError(f"precision: expected one of {', '.join(get_args(Precision))}, got {self.precision!r}")

    def nearest_m(self, focus_distance_m: float) -> float:
        """The nearest depth of interest (m) of a camera that is configured with this focus distance.

        Without depth_min_m the focus distance, because the default rig is focused nearer than its scene; with that
        beyond depth_max_m NEAREST_SCENE_M.
        """
        if self.depth_min_m > 0:
            return self.depth_min_m
        return focus_distance_m if focus_distance_m < self.depth_max_m else min(NEAREST_SCENE_M, self.depth_max_m / 2)

    def nearest_possible_dpt(self, focus_distance_m: float) -> float:
        """N, the reciprocal (dpt) of the nearest distance at which anything can be in an image.

        1/depth_min_m where that is known. Else nothing is nearer than NEAREST_SCENE_M or than the nearest distance (m,
        from the entrance pupil, inf allowed) at which the lens is known to be or to have been focused.
        """
        if self.depth_min_m > 0:
            return 1 / self.depth_min_m
        return 1 / min(focus_distance_m, NEAREST_SCENE_M)

    def lens_input(self, gain_px_per_dpt: float, focus_in_dpt: float, near_focus_dpt: float = 0.0) -> FloatArray:
        """The network's input `lens`, float32 `LENS_SHAPE`, for a blur gain in px of the working image."""
        nearest = self.nearest_possible_dpt(focus_distance_m(max(focus_in_dpt, near_focus_dpt)))
        return np.array([[gain_px_per_dpt, focus_in_dpt, nearest]], np.float32)


@dataclass(frozen=True)
class EstimatorInfo:
    """What runs: for diagnostics, reports and summaries.

    Attributes:
        working_size: (height, width) in px.
        precision: in which the backend computes: with `auto` as the config's, the one that was chosen.
    """

    model_sha256: str
    model_path: Path
    backend: str
    working_size: tuple[int, int]
    supervision: str
    metrics: Mapping[str, float | dict[str, float]]
    precision: Precision


class Estimator:
    """A loaded model that speaks pixels of the input image. Not for two threads at once; use `load_estimator`."""

    def __init__(self, artifact: ModelArtifact, backend: str, config: EstimatorConfig) -> None:
        self._artifact = artifact
        self._backend_name = backend
        self._config = config
        self._geometry: WorkingGeometry | None = None
        self._lens_constant_px_per_dpt = 0.0
        self._size = artifact.sidecar.sizes[0]
        self._backend = load_backend(backend, self._request())

    @property
    def info(self) -> EstimatorInfo:
        """What runs at the moment."""
        sidecar = self._artifact.sidecar
        return EstimatorInfo(
            model_sha256=sidecar.sha256,
            model_path=self._artifact.onnx_path,
            backend=self._backend.name,
            working_size=self._size,
            supervision=sidecar.supervision,
            metrics=sidecar.metrics,
            precision=self._backend.precision,
        )

    def configure(self, image_shape: Sequence[int], lens: LensParameters, focus_distance_m: float) -> WorkingGeometry:
        """Choose the working size for images of `image_shape` (H, W[, 3]) through `lens`, and load the backend for it.

        `estimate` does so by itself for its first image and whenever the image's size or the lens changes; call it
        beforehand to keep that second out of the stream. The focus distance (m, inf allowed) is the nearest depth of
        interest unless the config names one; another focus later keeps the working size.

        Raises:
            ImageError, OpticsError: the image has no pixels, the focus distance is none.
            BackendError, ModelError: the backend cannot be loaded for the new size.
        """
        focus_dpt(focus_distance_m, lens)
        image_size = (image_shape[0], image_shape[1])
        constant = lens_constant_px_per_dpt(lens, image_size[1])
        span_px = blur_span_px(constant, self._config.nearest_m(focus_distance_m), self._config.depth_max_m)
        sidecar = self._artifact.sidecar
        geometry = choose_geometry(image_size, span_px, sidecar.sizes, sidecar.max_coc_px)
        self._load((geometry.height, geometry.width))
        self._geometry, self._lens_constant_px_per_dpt = geometry, constant
        _LOG.info(
            "images of %dx%d px, whose blur spans %.1f px in the depth range, work at %dx%d px, scale %.3f, on %s (%s)",
            *(image_size[1], image_size[0], span_px, geometry.width, geometry.height, geometry.scale),
            *(self._backend.name, self._backend.precision),
        )
        return geometry

    def estimate(
        self,
        image: ImageArray,
        lens: LensParameters,
        focus_distance_m: float,
        *,
        transfer: Transfer = "srgb",
        near_focus_m: float | None = None,
    ) -> DepthEstimate:
        """Depth, signed CoC and confidence of one image; every map has the image's size and registers with it.

        Args:
            image: (H, W, 3) RGB or (H, W) mono; uint8, uint16 (full range) or float32 in 0..1.
            lens: f²/(N·p) for the image's width follows from it (see `LensParameters.image_width_px`).
            focus_distance_m: as the lens reports it, m, inf allowed.
            transfer: encoding of the image's values.
            near_focus_m: the nearest focus distance of the sweep that the image is of, or the lens's usual one, where
                that is known: such a lens looks at things nearer than this image's focus. A distance that the lens
                cannot have (it was zoomed, say) says nothing.

        Raises:
            ImageError: not such an image.
            OpticsError: a focus distance inside the focal length, NaN or ≤ 0.
            BackendError, ModelError: inference failed, or another size could not be loaded.
        """
        check_image(image)
        focus = float(focus_dpt(focus_distance_m, lens))
        gain = float(blur_gain_px_per_dpt(lens, focus, image.shape[1]))
        geometry = self._geometry_for(image, lens, focus_distance_m)
        lens_row = self._config.lens_input(gain * geometry.scale, focus, _known_focus_dpt(near_focus_m, lens))
        preparation = Preparation(geometry, transfer, self._artifact.sidecar.transfer)
        maps = {name: values[0, 0] for name, values in self._run(image, preparation, lens_row).items()}
        return input_estimate(maps, geometry, gain, focus)

    def close(self) -> None:
        """Free the backend; the estimator cannot be used afterwards."""
        self._backend.close()

    def __enter__(self) -> Estimator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, image: ImageArray, preparation: Preparation, lens_row: FloatArray) -> dict[str, FloatArray]:
        if isinstance(self._backend, PixelBackend) and image.dtype == np.uint8:
            maps = self._backend.run_pixels(image, preparation, lens_row)
            if maps is not None:
                return maps
        values = to_unit_floats(image, preparation.transfer, preparation.wanted)
        return self._backend.run(preparation.geometry.to_working(values), lens_row)

    def _geometry_for(self, image: ImageArray, lens: LensParameters, focus_distance_m: float) -> WorkingGeometry:
        geometry = self._geometry
        if geometry is None or image.shape[:2] != (geometry.input_height, geometry.input_width):
            return self.configure(image.shape, lens, focus_distance_m)
        constant = lens_constant_px_per_dpt(lens, image.shape[1])
        if abs(constant / self._lens_constant_px_per_dpt - 1) > _SAME_LENS:
            return self.configure(image.shape, lens, focus_distance_m)
        return geometry

    def _load(self, size: tuple[int, int]) -> None:
        if size == self._size:
            return
        replaced, self._size = self._size, size
        try:
            backend = load_backend(self._backend_name, self._request())
        except BaseException:
            self._size = replaced
            raise
        self._backend.close()
        self._backend = backend

    def _request(self) -> BackendRequest:
        height, width = self._size
        return BackendRequest(self._artifact, height, width, self._config.threads, self._config.precision)


def load_estimator(model: Path | None = None, backend: str = AUTO, config: EstimatorConfig | None = None) -> Estimator:
    """An estimator ready to run: model verified, backend loaded (for the model's first size) and tried.

    Args:
        model: `<name>.onnx`; None: the model shipped in the package.
        backend: a name of `BACKENDS`, or `auto`: the fastest that loads.

    Raises:
        ModelError: the model is missing, corrupt, or has another interface.
        BackendUnavailableError, BackendError: the backend is not on this machine, or failed.
        ConfigError: an unknown backend.
    """
    return Estimator(load_artifact(model), backend, config or EstimatorConfig())


def _known_focus_dpt(focus_distance_m: float | None, lens: LensParameters) -> float:
    """0 where nothing is known, or nothing that can be so."""
    try:
        return 0.0 if focus_distance_m is None else float(focus_dpt(focus_distance_m, lens))
    except OpticsError:
        return 0.0


def input_estimate(
    maps: Mapping[str, FloatArray], geometry: WorkingGeometry, gain_px_per_dpt: float, focus_in_dpt: float
) -> DepthEstimate:
    """The estimate in pixels of the input image from the network's maps (height, width).

    Depth is interpolated as inverse depth: linear there is linear in blur, and stays between its neighbours at depth
    edges. The CoC is computed from the depth anew, so that coc = G·(F − 1/depth) holds at every pixel.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        depth_m = np.reciprocal(geometry.to_input(np.reciprocal(maps["depth"])))
        coc_px = coc_from_inverse_depth(np.reciprocal(depth_m), gain_px_per_dpt, focus_in_dpt)
    return DepthEstimate(
        depth_m=depth_m,
        coc_px=coc_px,
        defocus_px=geometry.to_input(maps["defocus"] * np.float32(1 / geometry.scale)),
        inv_depth_scale_dpt=geometry.to_input(maps["inv_depth_scale"]),
        confidence=geometry.to_input(maps["confidence"]),
        blur_gain_px_per_dpt=gain_px_per_dpt,
        focus_dpt=focus_in_dpt,
    )
