"""Export: the ONNX graph computes what the model computes, at any working size, and its sidecar fits it."""

from pathlib import Path

import numpy as np
import pytest
import torch

import defocus_training
from defocus_depth.inference import OUTPUT_NAMES
from defocus_depth.inference.artifact import load_artifact
from defocus_training.export import ModelCard, export_model
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.checkpoints import load_weights, save_weights

OPTIONS = ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    torch.manual_seed(1)
    model = DefocusModel(OPTIONS).eval()
    save_weights(folder / "w.safetensors", model, OPTIONS)
    export_model(model, folder / "m.onnx", ModelCard("self", "nothing", {"abs_rel": 0.5}), True)
    return folder


@pytest.mark.parametrize("size", [(64, 96), (256, 320)])
def test_onnx_equals_torch(exported: Path, size: tuple[int, int]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(exported / "m.onnx"))
    image = np.random.default_rng(0).random((1, 3, *size), np.float32)
    lens = np.array([[7.8, 2.857, 2.857]], np.float32)
    with torch.no_grad():
        expected = load_weights(exported / "w.safetensors")(torch.from_numpy(image), torch.from_numpy(lens))
    assert [output.name for output in session.get_outputs()] == list(OUTPUT_NAMES)
    for got, wanted in zip(session.run(None, {"image": image, "lens": lens}), expected, strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), atol=2e-4, rtol=1e-3)


def test_sidecar_fits_and_weights_can_be_refined(exported: Path) -> None:
    artifact = load_artifact(exported / "m.onnx")
    assert artifact.sidecar.supervision == "self" and artifact.sidecar.metrics == {"abs_rel": 0.5}
    assert artifact.sidecar.pt2_sha256 and artifact.exported_program_path.is_file()
    assert load_weights(artifact.weights_path).options == OPTIONS
    assert not list(exported.glob("*.data"))  # one file: no weights beside the graph


def test_the_graph_names_no_file_of_the_machine_that_exported_it(exported: Path) -> None:
    sources = str(Path(defocus_training.__file__).resolve().parent).encode()
    assert sources not in (exported / "m.onnx").read_bytes()
    assert b"stack_trace" not in (exported / "m.onnx").read_bytes()
