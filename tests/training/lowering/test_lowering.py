"""Variants in lower precision: what is lowered, that it still is the network, and what every runtime takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from defocus_depth.errors import ModelError
from defocus_depth.evaluation.dataset import Sample
from defocus_depth.inference import BackendRequest, ModelArtifact, load_artifact, load_backend
from defocus_depth.inference.backends.fidelity import Fidelity
from defocus_depth.inference.backends.tensorrt.adapter import TENSORRT_RTX, import_library
from defocus_depth.inference.backends.tensorrt.building import EngineMaker, precisions_to_try
from defocus_depth.inference.backends.tensorrt.cache import EngineCache
from defocus_training.export import ModelCard, export_model
from defocus_training.lowering import quantise
from defocus_training.lowering.half import half_graph
from defocus_training.lowering.int8 import Feed, write_int8_graph
from defocus_training.lowering.quantise import Attempt, abs_rel_of, calibration_feeds, make_variant
from defocus_training.lowering.region import convolutions, heads, region, stems
from defocus_training.networks import DefocusModel, ModelOptions

CONVOLUTIONS = ["conv_stem", "conv_block", "conv_second", "conv_head"]


@pytest.fixture
def model(artifact: ModelArtifact) -> onnx.ModelProto:
    return onnx.load(artifact.onnx_path)


@pytest.fixture
def feeds(artifact: ModelArtifact, samples: list[Sample]) -> list[Feed]:
    return calibration_feeds(artifact, samples)


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def maps(artifact: ModelArtifact, backend: str, precision: str, feed: Feed) -> dict[str, np.ndarray]:
    loaded = load_backend(backend, BackendRequest(artifact, 64, 96, 1, precision))  # type: ignore[arg-type]
    return {name: values.copy() for name, values in loaded.run(feed["image"], feed["lens"]).items()}


def test_calibration_has_the_estimators_inputs(artifact: ModelArtifact, samples: list[Sample]):
    nearer = replace(samples[0], focus_distance_m=0.2)
    for sample, nearest_dpt in ((samples[0], 1 / 0.35), (nearer, 5.0)):
        (feed,) = calibration_feeds(artifact, [sample])
        assert feed["image"].shape == (1, 3, 64, 96) and feed["lens"].dtype == np.float32
        expected = [sample.blur_gain_px_per_dpt, sample.focus_dpt, nearest_dpt]
        np.testing.assert_allclose(feed["lens"], [expected], rtol=1e-6)


def test_delicate_convolutions_are_found_by_structure(model: onnx.ModelProto):
    assert convolutions(model) == CONVOLUTIONS
    assert heads(model) == ["conv_head"]
    assert stems(model) == ["conv_stem", "conv_second"]


def test_region_is_what_passes_values_between_convolutions(model: onnx.ModelProto):
    between = {"Relu_stem_relu", "Relu_block_relu", "Add_residual", "Resize_upsampled", "Concat_joined"}
    assert region(model, ()) == {*CONVOLUTIONS, *between, "Relu_second_relu"}
    assert region(model, ["conv_head", "conv_second"]) == {"conv_stem", "conv_block", "Relu_stem_relu"}
    assert region(model, CONVOLUTIONS) == set()


@pytest.fixture(scope="module")
def two_looks(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """A trained model's graph that crops between its convolutions, for sizes whose halves are odd."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("looks") / "two.onnx"
    options = ModelOptions((8, 8, 8, 8), (8, 8, 8, 8), looks=(1.0, 0.75), smoothing=(2, 1))
    export_model(DefocusModel(options).eval(), path, ModelCard("self", "nothing", {}))
    return onnx.load(path)


def test_each_look_has_its_delicate_convolutions(two_looks: onnx.ModelProto):
    assert "Slice" in kinds(two_looks) and "BatchNormalization" not in kinds(two_looks)
    assert len(stems(two_looks)) == 2 * 2
    assert len(heads(two_looks)) == 2 * 2


def test_half_graph_of_two_looks_computes_the_same(two_looks: onnx.ModelProto, feeds: list[Feed]):
    lowered = half_graph(two_looks, ())
    onnx.checker.check_model(lowered, full_check=True)
    onnxruntime = pytest.importorskip("onnxruntime")
    full, half = (onnxruntime.InferenceSession(graph.SerializeToString()) for graph in (two_looks, lowered))
    for wanted, got in zip(full.run(None, feeds[0]), half.run(None, feeds[0]), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("kept", [(), ("conv_stem",), ("conv_block", "conv_head"), tuple(CONVOLUTIONS)])
def test_half_graph_computes_the_same_to_half_precision(
    kept: tuple[str, ...], artifact: ModelArtifact, model: onnx.ModelProto, feeds: list[Feed]
):
    lowered = half_graph(model, kept)
    onnx.checker.check_model(lowered, full_check=True)
    half = [tensor.name for tensor in lowered.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16]
    assert len(half) == 2 * (len(CONVOLUTIONS) - len(kept))
    session = pytest.importorskip("onnxruntime").InferenceSession(lowered.SerializeToString())
    expected = maps(artifact, "onnxruntime", "f32", feeds[0])
    for name, values in zip(expected, session.run(list(expected), feeds[0]), strict=True):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected[name], rtol=5e-3, atol=5e-3)
    if kept == ():
        assert any(np.abs(session.run([name], feeds[0])[0] - expected[name]).max() > 1e-6 for name in expected)


def test_half_graph_casts_once_at_each_border(model: onnx.ModelProto):
    assert (
        kinds(half_graph(model))["Cast"] == 2
    )  # in: the feature, of which stem and concat read one cast; out: the head
    assert kinds(half_graph(model, CONVOLUTIONS)) == kinds(model)


def test_weights_beyond_half_precision_are_refused(model: onnx.ModelProto):
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "block_w")
    weights.CopyFrom(onnx.numpy_helper.from_array(np.full((16, 16, 3, 3), 7e4, np.float32), "block_w"))
    with pytest.raises(ModelError, match="weights block_w: expected values within ±65504 for fp16"):
        half_graph(model)


def test_int8_pairs_stand_at_convolutions_alone(artifact: ModelArtifact, feeds: list[Feed], tmp_path: Path):
    path = tmp_path / "int8.onnx"
    write_int8_graph(artifact.onnx_path, path, feeds, ["conv_head"])
    lowered = onnx.load(path)
    graph = lowered.graph
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        from_pairs = [producers[name].op_type == "DequantizeLinear" for name in node.input if name in producers]
        if node.op_type == "Conv" and node.name != "conv_head":
            assert from_pairs[:2] == [True, True]
            assert not node.input[2] or node.input[2] not in producers  # the bias stays float32
        elif node.op_type not in ("DequantizeLinear", "QuantizeLinear"):
            assert not any(from_pairs), node.name
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zero_points = [
        weights[node.input[2]] for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    ]
    assert all(values.dtype == np.int8 and not values.any() for values in zero_points)
    assert weights["block_w_scale"].shape == (16,)  # one for each channel


@pytest.mark.parametrize("precision", ["f16", "int8"])
def test_variant_is_taken_by_every_runtime_with_its_figures_beside_it(
    precision, artifact: ModelArtifact, samples: list[Sample], feeds: list[Feed], tmp_path: Path
):
    attempts: list[Attempt] = []
    variant = make_variant(artifact, precision, feeds, samples, lambda attempt, f32: attempts.append(attempt))
    found = load_artifact(artifact.onnx_path)
    assert found.sidecar.variants == {precision: variant}
    assert variant.metrics["abs_rel"] <= 1.02 * variant.metrics["f32_abs_rel"]
    assert variant.metrics["abs_rel"] == pytest.approx(attempts[-1].abs_rel, abs=1e-5)
    reference = maps(found, "onnxruntime", "f32", feeds[0])
    for backend in ("onnxruntime",) if precision == "f16" else ("onnxruntime", "openvino"):
        for name, values in maps(found, backend, precision, feeds[0]).items():
            np.testing.assert_allclose(values, reference[name], rtol=0.1, atol=0.1, err_msg=f"{backend} {name}")
    pytest.importorskip("tensorrt_rtx")
    request = BackendRequest(found, 64, 96)
    assert precisions_to_try(request, "tensorrt_rtx") == [precision, "f32"]
    maker = EngineMaker(import_library(TENSORRT_RTX), EngineCache(tmp_path / "engines"), None)
    assert len(maker.build_network(request, precision).engine) > 10_000


def test_both_variants_live_side_by_side(artifact: ModelArtifact, samples: list[Sample], feeds: list[Feed]):
    for precision in ("f16", "int8"):
        make_variant(artifact, precision, feeds, samples)
    assert set(load_artifact(artifact.onnx_path).sidecar.variants) == {"f16", "int8"}


def test_more_is_kept_in_float32_until_the_accuracy_holds(
    artifact: ModelArtifact, samples: list[Sample], feeds: list[Feed], monkeypatch: pytest.MonkeyPatch
):
    figures = iter([0.4, 0.6, 0.41, 0.405])
    monkeypatch.setattr(quantise, "abs_rel_of", lambda *given: next(figures))
    variant = make_variant(artifact, "f16", feeds, samples)
    assert variant.kept_f32 == ("conv_stem", "conv_second", "conv_head")
    assert variant.metrics == {"abs_rel": 0.405, "f32_abs_rel": 0.4}


def test_maps_that_differ_are_refused_although_their_errors_cancel(
    artifact: ModelArtifact, samples: list[Sample], feeds: list[Feed], monkeypatch: pytest.MonkeyPatch
):
    same = Fidelity(0, 0, 0, 0, 0, 0, 0)
    fidelities = iter([replace(same, scale=0.08), same])
    monkeypatch.setattr(quantise, "fidelity_of", lambda *given: next(fidelities))
    monkeypatch.setattr(quantise, "abs_rel_of", lambda *given: 0.4)
    attempts: list[Attempt] = []
    variant = make_variant(artifact, "int8", feeds, samples, lambda attempt, f32: attempts.append(attempt))
    assert [attempt.differs for attempt in attempts] == [("scale 0.08, at most 0.05",), ()]
    assert variant.kept_f32 == attempts[1].kept_f32 != ()


def test_a_variant_that_loses_too_much_leaves_no_trace(
    artifact: ModelArtifact, samples: list[Sample], feeds: list[Feed], monkeypatch: pytest.MonkeyPatch
):
    before = artifact.onnx_path.with_suffix(".json").read_text()
    figures = iter([0.4, 0.6, 0.5, 0.45])
    monkeypatch.setattr(quantise, "abs_rel_of", lambda *given: next(figures))
    with pytest.raises(
        ModelError, match=r"net\.onnx: int8: expected AbsRel within 2% of 0\.4000 .*, got 0\.6000; 0\.5000; 0\.4500"
    ):
        make_variant(artifact, "int8", feeds, samples)
    assert artifact.onnx_path.with_suffix(".json").read_text() == before
    assert sorted(path.name for path in artifact.onnx_path.parent.iterdir()) == ["net.json", "net.onnx"]


def test_a_variant_that_was_exchanged_is_refused(artifact: ModelArtifact, samples: list[Sample], feeds: list[Feed]):
    make_variant(artifact, "int8", feeds, samples)
    path = artifact.variant_path("int8")
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"net\.int8\.onnx: expected sha256 .* as in its sidecar"):
        load_backend("openvino", BackendRequest(load_artifact(artifact.onnx_path), 64, 96, 1, "int8"))


def test_abs_rel_is_the_mean_over_samples(artifact: ModelArtifact, samples: list[Sample]):
    from defocus_depth.inference import load_estimator

    with load_estimator(artifact.onnx_path, "openvino") as estimator:
        errors = [
            np.mean(np.abs(estimator.estimate(s.image, s.lens, 0.35).depth_m - s.truth_depth_m) / s.truth_depth_m)
            for s in samples
        ]
    assert abs_rel_of(artifact, "f32", samples) == pytest.approx(np.mean(errors), rel=1e-5)
