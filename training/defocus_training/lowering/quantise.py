"""Variants of a model, each with as much in lower precision as its accuracy on validation stacks allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import onnx

from defocus_depth.errors import BackendUnavailableError, ModelError
from defocus_depth.evaluation.dataset import Sample
from defocus_depth.evaluation.methods import network_method
from defocus_depth.evaluation.metrics import is_depth
from defocus_depth.inference import (
    BackendRequest,
    EstimatorConfig,
    ModelArtifact,
    load_backend,
    load_estimator,
)
from defocus_depth.inference.artifact import Variant, VariantPrecision, file_sha256, load_artifact
from defocus_depth.inference.backends.fidelity import LIMITS, Fidelity, compare, gate_inputs, reference_backend

from ..working_input import InputForm, working_input
from .half import half_graph
from .int8 import Feed, write_int8_graph
from .region import heads, stems

LARGEST_LOSS = 0.02
"""Relative growth of AbsRel up to which a variant is good."""
_MEASURED_ON = ("openvino", "onnxruntime")
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Attempt:
    """One way of lowering the graph.

    Attributes:
        kept_f32: convolutions left in float32.
        abs_rel: mean |d̂ − d|/d on the validation frames.
        differs: by what its maps of the packaged frames are farther from float32's than the gate allows, in words.
    """

    kept_f32: tuple[str, ...]
    abs_rel: float
    differs: tuple[str, ...]


def make_variant(
    artifact: ModelArtifact,
    precision: VariantPrecision,
    calibration: Sequence[Feed],
    validation: Sequence[Sample],
    on_attempt: Callable[[Attempt, float], None] = lambda attempt, f32_abs_rel: None,
) -> Variant:
    """Write `<name>.<precision>.onnx` beside the model, enter it into the sidecar, and return its entry.

    All convolutions are lowered first; if AbsRel grows by more than `LARGEST_LOSS`, or the maps are farther from
    float32's than an engine's may be (errors can cancel in AbsRel), the stems stay in float32, then the heads too.
    `on_attempt` sees each attempt and the float32 graph's AbsRel.

    Raises:
        ModelError: even the last attempt loses too much; the graph cannot be lowered or written.
    """
    f32_abs_rel = abs_rel_of(artifact, "f32", validation)
    model = onnx.load(artifact.onnx_path)
    sidecar = load_artifact(artifact.onnx_path).sidecar
    tried: list[str] = []
    try:
        for kept in _ladder(model):
            _write_graph(artifact, precision, calibration, kept)
            attempt = _measured(artifact, precision, kept, validation)
            on_attempt(attempt, f32_abs_rel)
            if attempt.abs_rel <= f32_abs_rel * (1 + LARGEST_LOSS) and not attempt.differs:
                return _enter(artifact, precision, attempt, f32_abs_rel)
            tried.append(f"{attempt.abs_rel:.4f}{''.join(f' ({problem})' for problem in attempt.differs)}")
        bound = f"AbsRel within {LARGEST_LOSS:.0%} of {f32_abs_rel:.4f} and maps like float32's"
        raise ModelError(f"{artifact.onnx_path}: {precision}: expected {bound}, got {'; '.join(tried)}")
    except BaseException:  # as if it had not been tried
        sidecar.write(artifact.onnx_path.with_suffix(".json"))
        artifact.variant_path(precision).unlink(missing_ok=True)
        raise


def calibration_feeds(artifact: ModelArtifact, samples: Sequence[Sample]) -> list[Feed]:
    """What the network is given for these samples, by the estimator's own rules for working size and lens."""
    return list(_feeds(artifact, samples))


def abs_rel_of(artifact: ModelArtifact, precision: VariantPrecision | str, samples: Sequence[Sample]) -> float:
    """Mean over samples of the mean |d̂ − d|/d, on the first CPU backend that has this precision.

    Raises:
        BackendUnavailableError: none has.
    """

    def measured(backend: str) -> float:
        config = EstimatorConfig(precision=precision)  # type: ignore[arg-type]
        with load_estimator(artifact.onnx_path, backend, config) as estimator:
            predict = network_method(estimator)
            return float(np.mean([_abs_rel(predict(sample).maps.depth_m, sample) for sample in samples]))

    return _on_the_first_backend(measured, precision)


def fidelity_of(artifact: ModelArtifact, precision: VariantPrecision) -> Fidelity:
    """How far the variant's maps of the packaged frames are from float32's, at the first working size, on that backend.

    Raises:
        BackendUnavailableError: none has this precision.
    """
    height, width = artifact.sidecar.sizes[0]
    request = BackendRequest(artifact, height, width, 0)

    def compared(backend: str) -> Fidelity:
        with (
            closing(load_backend(backend, replace(request, precision=precision))) as lowered,
            closing(reference_backend(request)) as reference,
        ):
            return compare(lowered.run, reference.run, gate_inputs(height, width))

    return _on_the_first_backend(compared, precision)


def _on_the_first_backend(measure: Callable[[str], Measured], precision: str) -> Measured:
    reasons = []
    for backend in _MEASURED_ON:
        try:
            return measure(backend)
        except BackendUnavailableError as error:
            reasons.append(str(error))
    raise BackendUnavailableError(f"expected a CPU backend that computes in {precision}: {'; '.join(reasons)}")


def _ladder(model: onnx.ModelProto) -> Iterator[tuple[str, ...]]:
    yield ()
    yield tuple(stems(model))
    yield tuple(dict.fromkeys([*stems(model), *heads(model)]))


def _write_graph(
    artifact: ModelArtifact, precision: VariantPrecision, calibration: Sequence[Feed], kept_f32: tuple[str, ...]
) -> None:
    path = artifact.variant_path(precision)
    if precision == "int8":
        write_int8_graph(artifact.onnx_path, path, calibration, kept_f32)
    else:
        onnx.save(half_graph(onnx.load(artifact.onnx_path), kept_f32), path)


def _measured(
    artifact: ModelArtifact, precision: VariantPrecision, kept_f32: tuple[str, ...], validation: Sequence[Sample]
) -> Attempt:
    """Figures of the graph just written, which the sidecar must name to be loaded."""
    _write_entry(artifact, precision, Variant(sha256=file_sha256(artifact.variant_path(precision)), metrics={}))
    written = load_artifact(artifact.onnx_path)
    differs = fidelity_of(written, precision).beyond(LIMITS[precision])
    return Attempt(kept_f32, abs_rel_of(written, precision, validation), tuple(differs))


def _enter(artifact: ModelArtifact, precision: VariantPrecision, attempt: Attempt, f32_abs_rel: float) -> Variant:
    variant = Variant(
        sha256=file_sha256(artifact.variant_path(precision)),
        kept_f32=attempt.kept_f32,
        metrics={"abs_rel": round(attempt.abs_rel, 5), "f32_abs_rel": round(f32_abs_rel, 5)},
    )
    _write_entry(artifact, precision, variant)
    return variant


def _write_entry(artifact: ModelArtifact, precision: VariantPrecision, variant: Variant) -> None:
    """Into the sidecar as it is now: it holds the other variant too."""
    path = artifact.onnx_path.with_suffix(".json")
    sidecar = load_artifact(artifact.onnx_path).sidecar
    variants = {**sidecar.variants, precision: variant}
    sidecar.model_copy(update={"variants": variants}).write(path)


def _feeds(artifact: ModelArtifact, samples: Sequence[Sample]) -> Iterator[Feed]:
    sidecar = artifact.sidecar
    form = InputForm(sidecar.sizes, sidecar.transfer, sidecar.max_coc_px)
    for sample in samples:
        given = working_input(sample, form)
        yield {"image": given.image, "lens": given.lens}


def _abs_rel(depth_m: np.ndarray, sample: Sample) -> float:
    known = is_depth(sample.truth_depth_m)
    truth_m = sample.truth_depth_m[known]
    return float(np.mean(np.abs(depth_m[known] - truth_m) / truth_m))
