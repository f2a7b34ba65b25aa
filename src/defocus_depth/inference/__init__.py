"""From a defocused image to depth: model artifact, working size, backends, Estimator.

Importing this loads no deep-learning library and no backend.
"""

from .artifact import (
    INPUT_NAMES,
    LENS_SHAPE,
    OUTPUT_NAMES,
    RELEASED_MODEL,
    ModelArtifact,
    Sidecar,
    file_sha256,
    load_artifact,
)
from .backends import AUTO, BACKENDS, Backend, BackendRequest, load_backend
from .estimator import Estimator, EstimatorConfig, EstimatorInfo, load_estimator
from .working_size import WorkingGeometry, choose_geometry

__all__ = [
    "AUTO",
    "BACKENDS",
    "INPUT_NAMES",
    "LENS_SHAPE",
    "OUTPUT_NAMES",
    "RELEASED_MODEL",
    "Backend",
    "BackendRequest",
    "Estimator",
    "EstimatorConfig",
    "EstimatorInfo",
    "ModelArtifact",
    "Sidecar",
    "WorkingGeometry",
    "choose_geometry",
    "file_sha256",
    "load_artifact",
    "load_backend",
    "load_estimator",
]
