"""Export: the ONNX graph computes what the model computes, at any working size, and its sidecar fits it."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import defocus_training
from defocus_depth.inference import OUTPUT_NAMES
from defocus_depth.inference.artifact import load_artifact
from defocus_training.export import ModelCard, export_model, with_coarse_weights
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


def test_coarse_weights_make_files_that_compress_and_hardly_change_the_outputs(exported: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = load_weights(exported / "w.safetensors")
    export_model(model, tmp_path / "m.onnx", ModelCard("self", "nothing", {}), weight_steps=16)
    for name in ("m.onnx", "m.safetensors"):
        before, after = (len(zlib.compress((folder / name).read_bytes())) for folder in (exported, tmp_path))
        assert after < 0.85 * before, name
    feeds = {"image": np.random.default_rng(0).random((1, 3, 64, 96), np.float32)}
    feeds["lens"] = np.array([[7.8, 2.857, 2.857]], np.float32)
    fine, coarse = (
        onnxruntime.InferenceSession(str(folder / "m.onnx")).run(None, feeds) for folder in (exported, tmp_path)
    )
    for wanted, got in zip(fine, coarse, strict=True):
        assert 0 < np.abs(got - wanted).max() and np.abs(got / wanted - 1).mean() < 0.02


def test_both_files_of_coarse_weights_are_one_model(tmp_path: Path) -> None:
    """Batch norms differ from folded ones: with any statistics, weights are rounded once, and the rest is float32."""
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(2)
    model = DefocusModel(OPTIONS).eval()
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.normal_(0, 0.3)
        norm.running_var.uniform_(0.3, 3.0)
        nn.init.uniform_(norm.weight, -1.5, 1.5)
    export_model(model, tmp_path / "m.onnx", ModelCard("self", "nothing", {}), weight_steps=4)
    image, lens = torch.rand(1, 3, 64, 96), torch.tensor([[7.8, 2.857, 2.857]])
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    with torch.no_grad():
        kept, before = load_weights(tmp_path / "m.safetensors")(image, lens), model(image, lens)
    found = session.run(None, {"image": image.numpy(), "lens": lens.numpy()})
    assert np.abs(kept.depth.numpy() / found[1] - 1).mean() < 0.003
    assert np.abs(before.depth.numpy() / found[1] - 1).mean() > 0.006  # rounding does more


@pytest.mark.parametrize("steps", [4, 16])
def test_weights_are_rounded_to_equal_steps_of_their_channel_s_deviation(steps: int) -> None:
    torch.manual_seed(0)
    model = DefocusModel(OPTIONS)
    before = model.sdnet.head.weight.data.clone()
    after = with_coarse_weights(model, steps).sdnet.head.weight.data
    deviation = before.square().mean((1, 2, 3), keepdim=True).sqrt()
    assert ((after - before).abs() <= deviation / steps / 2 * 2**0.5 + 1e-9).all() and not torch.equal(after, before)
    for channel, spread in zip(after, deviation.flatten(), strict=True):
        smallest = channel.unique().diff().min()
        assert torch.frexp(smallest).mantissa == 0.5 and 0.7 < spread / steps / smallest < 1.42  # a power of two
        assert torch.equal(channel / smallest, (channel / smallest).round())


def test_the_last_levels_are_kept_half_as_finely() -> None:
    torch.manual_seed(0)
    model = DefocusModel(OPTIONS)
    levels = [net.unet.encoder[-1].modules() for net in (model.sdnet, model.depthnet)]
    lasts = [next(part for part in level if isinstance(part, nn.Conv2d)) for level in levels]
    before = [last.weight.data.clone() for last in lasts]
    with_coarse_weights(model, 8)
    for last, original in zip(lasts, before, strict=True):
        steps = original.square().mean((1, 2, 3)).sqrt() / torch.stack(
            [w.unique().diff().min() for w in last.weight.data]
        )
        assert ((steps > 4 * 0.7) & (steps < 4 * 1.42)).all()


def test_a_dead_channel_stays_dead() -> None:
    model = DefocusModel(OPTIONS)
    model.sdnet.head.weight.data[0] = 0
    assert (with_coarse_weights(model, 8).sdnet.head.weight.data[0] == 0).all()
