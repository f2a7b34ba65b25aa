"""The torch backend on a tiny exported program that computes what the tiny ONNX graph computes."""

from __future__ import annotations

import contextlib
import gc
import logging
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from defocus_depth.errors import BackendError, BackendUnavailableError, ModelError
from defocus_depth.inference import LENS_SHAPE, BackendRequest, Sidecar, file_sha256, load_artifact, load_backend
from defocus_depth.inference.backends.fidelity import compare, gate_inputs, reference_backend, require_fidelity
from defocus_depth.inference.backends.torch_backend import TorchBackend, _CudaGraph, captured

torch = pytest.importorskip("torch")

RequestMaker = Callable[..., BackendRequest]
Inputs = Callable[..., tuple[np.ndarray, np.ndarray]]
LOADS, LOADING_S = 1000, 20.0  # a program is loaded as often as the time allows, at most so many times
SETTLED_AFTER = 20  # loads after which torch's and the driver's own pools are as large as they get
LEAK_BYTES = 16 << 20


class Tiny(torch.nn.Module):
    """Depth of a pixel by its brightness; outputs in the order of `OUTPUT_NAMES`."""

    def forward(self, image, lens):
        mean = image.mean(dim=1, keepdim=True)
        inverse_depth = torch.minimum(0.5 + 2 * mean, lens[:, 2, None, None, None])
        coc = lens[:, 0, None, None, None] * (lens[:, 1, None, None, None] - inverse_depth)
        return coc.abs(), 1 / inverse_depth, coc, 0.05 * inverse_depth, mean.clone()


class Convolutional(torch.nn.Module):
    """Strided convolutions, a resize, and two megabytes of weights: worth comparing, and worth freeing."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.down = torch.nn.Conv2d(3, 192, 3, stride=2, padding=1)
        self.middle = torch.nn.Conv2d(192, 192, 3, padding=1)
        self.heads = torch.nn.Conv2d(192, 3, 3, padding=1)

    def forward(self, image, lens):
        low = torch.relu(self.middle(torch.relu(self.down(image))))
        high = torch.nn.functional.interpolate(self.heads(low), scale_factor=2.0, mode="bilinear")
        inverse_depth = torch.minimum(0.5 + torch.nn.functional.softplus(high[:, :1]), lens[:, 2, None, None, None])
        coc = lens[:, 0, None, None, None] * (lens[:, 1, None, None, None] - inverse_depth)
        return coc.abs(), 1 / inverse_depth, coc, high[:, 1:2].exp(), high[:, 2:].sigmoid()


def exported(module: Any, lens_shape: tuple[int, ...] = LENS_SHAPE) -> bytes:
    """The content of a .pt2 file."""
    import io

    example = (torch.rand(1, 3, 64, 96), torch.rand(lens_shape))
    height, width = (32 * torch.export.Dim(name, min=2, max=60) for name in ("rows32", "columns32"))
    content = io.BytesIO()
    torch.export.save(
        torch.export.export(module.eval(), example, dynamic_shapes=({2: height, 3: width}, None)), content
    )
    return content.getvalue()


@pytest.fixture(scope="module")
def program() -> bytes:
    return exported(Tiny())


@pytest.fixture
def model(program: bytes, tmp_path: Path, make_tiny_model) -> Path:
    """The tiny ONNX model with its exported program, both named in the sidecar."""
    path = make_tiny_model(tmp_path)
    path.with_suffix(".pt2").write_bytes(program)
    _name_program(path)
    return path


def test_agrees_with_onnxruntime_at_any_size(model: Path, request_for: RequestMaker, inputs: Inputs):
    for height, width in ((64, 96), (128, 160)):
        requested = request_for(model, height=height, width=width)
        maps = load_backend("torch", requested).run(*inputs(height, width))
        reference = load_backend("onnxruntime", requested).run(*inputs(height, width))
        for name, values in reference.items():
            np.testing.assert_allclose(maps[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_closed_is_closed(model: Path, request_for: RequestMaker, inputs: Inputs):
    backend = load_backend("torch", request_for(model))
    backend.close()
    with pytest.raises(BackendError, match="torch: expected an open backend"):
        backend.run(*inputs())


def test_a_failed_inference_is_one_line(model: Path, request_for: RequestMaker, inputs: Inputs, monkeypatch):
    def fail(*tensors: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nFor debugging consider …")

    backend = load_backend("torch", request_for(model))
    monkeypatch.setattr(backend, "_program", fail)
    with pytest.raises(BackendError, match="^torch: inference failed: CUDA error: an illegal .* encountered$"):
        backend.run(*inputs())


def test_program_missing_or_not_named(model: Path, tmp_path: Path, make_tiny_model, request_for: RequestMaker):
    model.with_suffix(".pt2").unlink()
    with pytest.raises(
        BackendUnavailableError, match=r"torch: expected tiny\.pt2 beside the model: export with --format pt2"
    ):
        load_backend("torch", request_for(model))
    unnamed = make_tiny_model(tmp_path, name="unnamed")
    unnamed.with_suffix(".pt2").write_bytes(b"")
    with pytest.raises(BackendUnavailableError, match=r"expected unnamed\.pt2"):
        load_backend("torch", request_for(unnamed))


def test_program_of_another_export_is_refused_unread(model: Path, request_for: RequestMaker):
    model.with_suffix(".pt2").write_bytes(b"code of a stranger")
    with pytest.raises(ModelError, match=r"tiny\.pt2: expected sha256"):
        load_backend("torch", request_for(model))


def test_corrupt_program_is_a_model_error(model: Path, request_for: RequestMaker):
    model.with_suffix(".pt2").write_bytes(b"no archive")
    _name_program(model)
    with pytest.raises(ModelError, match=r"tiny\.pt2: expected a program that torch .* can load"):
        load_backend("torch", request_for(model))


class WithoutNearest(torch.nn.Module):
    """The interface of before: the lens as (G, F)."""

    def forward(self, image, lens):
        return Tiny()(image, torch.cat([lens, lens[:, 1:]], 1))


def test_program_whose_lens_has_another_shape_is_a_model_error(model: Path, request_for: RequestMaker):
    model.with_suffix(".pt2").write_bytes(exported(WithoutNearest(), (1, 2)))
    _name_program(model)
    with pytest.raises(
        ModelError, match=r"tiny\.pt2: input lens: expected \[1, 3\] \(G, F, N\), got \[1, 2\]: export the model again"
    ):
        load_backend("torch", request_for(model))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_device_says_so(model: Path, request_for: RequestMaker):
    with pytest.raises(BackendUnavailableError, match="torch_cuda: expected a CUDA device"):
        load_backend("torch_cuda", request_for(model))


class FakeCuda:
    """As much of torch.cuda as a capture uses. Its graph, replayed, computes into the outputs of the capture."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses, self.replays, self.captured = refuses, 0, []

    def Stream(self):
        return self

    current_stream = Stream

    def wait_stream(self, other: FakeCuda) -> None: ...

    def CUDAGraph(self):
        return self

    @contextlib.contextmanager
    def stream(self, stream: FakeCuda):
        yield

    @contextlib.contextmanager
    def graph(self, graph: FakeCuda):
        if self.refuses:
            raise RuntimeError("operation not permitted when stream is capturing")
        yield

    def replay(self) -> None:
        self.replays += 1
        for compute in self.captured:
            compute()


def fake_torch(cuda: FakeCuda) -> SimpleNamespace:
    return SimpleNamespace(
        cuda=cuda, inference_mode=torch.inference_mode, full=lambda shape, value, device: torch.full(shape, value)
    )


def test_captured_program_computes_from_each_input_anew():
    cuda, program = FakeCuda(), Tiny()
    run = captured(fake_torch(cuda), program, [(1, 3, 64, 96), LENS_SHAPE])
    outputs = run._outputs
    cuda.captured.append(lambda: [kept.copy_(new) for kept, new in zip(outputs, program(*run._inputs), strict=True)])
    with torch.inference_mode():
        for seed in (1, 2):
            torch.manual_seed(seed)
            image, lens = torch.rand(1, 3, 64, 96), torch.rand(LENS_SHAPE)
            for found, expected in zip(run(image, lens), program(image, lens), strict=True):
                torch.testing.assert_close(found, expected)
    assert cuda.replays == 2


def test_captured_program_keeps_its_weights_as_long_as_it_may_run():
    program = Tiny()
    held = weakref.ref(program)
    run = captured(fake_torch(FakeCuda()), program, [(1, 3, 64, 96), LENS_SHAPE])
    del program
    gc.collect()
    assert isinstance(run, _CudaGraph) and held() is not None
    del run
    gc.collect()
    assert held() is None


def test_program_that_cannot_be_captured_runs_as_it_is(caplog: pytest.LogCaptureFixture):
    program = Tiny()
    with caplog.at_level(logging.INFO):
        assert captured(fake_torch(FakeCuda(refuses=True)), program, [(1, 3, 64, 96), LENS_SHAPE]) is program
    assert "not captured as a CUDA graph: operation not permitted" in caplog.text


def test_closing_returns_the_devices_memory_to_the_driver(
    model: Path, request_for: RequestMaker, monkeypatch: pytest.MonkeyPatch
):
    """On the CPU in a GPU's place: the weights are gone, and torch is told to let go of what it keeps."""
    backend, told = load_backend("torch", request_for(model)), []
    assert isinstance(backend, TorchBackend)
    monkeypatch.setattr(backend, "_device", "cuda")
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: told.append(held() is None))
    held = weakref.ref(backend._program)
    backend.close()
    assert told == [True]


gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.fixture(scope="module")
def larger_program() -> bytes:
    return exported(Convolutional())


@pytest.fixture
def convolutional(model: Path, larger_program: bytes) -> Path:
    """The tiny model whose exported program is another, larger network."""
    model.with_suffix(".pt2").write_bytes(larger_program)
    _name_program(model)
    return model


@pytest.mark.parametrize("size", [(64, 96), (256, 320)])
@pytest.mark.parametrize("device", [pytest.param("torch_cuda", marks=gpu), "torch"])
def test_devices_agree_within_the_gate_on_every_image(
    device: str, size, convolutional: Path, request_for: RequestMaker
):
    request = request_for(convolutional, height=size[0], width=size[1])
    backend, reference = load_backend(device, request), load_backend("torch", request)
    fidelity = compare(backend.run, reference.run, gate_inputs(*size))
    print(f"{device} {size}: {fidelity}")
    require_fidelity(fidelity, "f32")
    backend.close()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_program_runs_as_a_cuda_graph(convolutional: Path, request_for: RequestMaker):
    backend = load_backend("torch_cuda", request_for(convolutional))
    assert isinstance(backend, TorchBackend) and isinstance(backend._program, _CudaGraph)
    backend.close()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_memory_that_others_allocate_is_not_the_programs(
    convolutional: Path, request_for: RequestMaker, inputs: Inputs
):
    backend = load_backend("torch_cuda", request_for(convolutional))
    expected = {name: values.copy() for name, values in backend.run(*inputs()).items()}
    gc.collect()  # what nobody holds any more is free to be taken
    taken = [torch.full((size,), torch.nan, device="cuda") for size in (64, 4096, 1 << 18, 1 << 19) for _ in range(64)]
    for name, values in backend.run(*inputs()).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    assert len(taken) == 256
    backend.close()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_loaded_and_closed_many_times_no_memory_is_lost(convolutional: Path, request_for: RequestMaker):
    request, settled, number, start = request_for(convolutional), 0, 0, time.monotonic()
    while number < LOADS and (number <= SETTLED_AFTER or time.monotonic() - start < LOADING_S):
        load_backend("torch_cuda", request).close()
        if number == SETTLED_AFTER:
            settled = torch.cuda.mem_get_info()[0]
        number += 1
    lost = settled - torch.cuda.mem_get_info()[0]
    print(f"torch_cuda: loaded {number} times in {time.monotonic() - start:.0f} s, {lost / 1e6:.1f} MB less free")
    assert torch.cuda.memory_allocated() < LEAK_BYTES
    assert lost < LEAK_BYTES


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_released_model_on_a_gpu_passes_the_gate(tmp_path: Path, request_for: RequestMaker):
    pytest.importorskip("lightning")
    export = pytest.importorskip("defocus_training.export")
    weights = pytest.importorskip("defocus_training.train.checkpoints")
    network = weights.load_weights(load_artifact(None).onnx_path.with_suffix(".safetensors"))
    export.export_model(
        network, tmp_path / "released.onnx", export.ModelCard("self", "see the released model", {}), True
    )
    for size in ((256, 320), (480, 640)):
        request = request_for(tmp_path / "released.onnx", height=size[0], width=size[1])
        backend = load_backend("torch_cuda", request)
        assert isinstance(backend, TorchBackend) and isinstance(backend._program, _CudaGraph)
        fidelity = compare(backend.run, reference_backend(request).run, gate_inputs(*size))
        print(f"torch_cuda {size}: {fidelity}")
        require_fidelity(fidelity, "f32")
        backend.close()


def _name_program(path: Path) -> None:
    sidecar = path.with_suffix(".json")
    named = Sidecar.read(sidecar).model_copy(update={"pt2_sha256": file_sha256(path.with_suffix(".pt2"))})
    named.write(sidecar)
