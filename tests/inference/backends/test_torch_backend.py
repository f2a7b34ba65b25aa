"""The torch backend on a tiny exported program that computes what the tiny ONNX graph computes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from defocus_depth.errors import BackendError, BackendUnavailableError, ModelError
from defocus_depth.inference import BackendRequest, Sidecar, file_sha256, load_backend
from defocus_depth.inference.backends.torch_backend import captured

torch = pytest.importorskip("torch")

RequestMaker = Callable[..., BackendRequest]
Inputs = Callable[..., tuple[np.ndarray, np.ndarray]]


class Tiny(torch.nn.Module):
    """Depth of a pixel by its brightness; outputs in the order of `OUTPUT_NAMES`."""

    def forward(self, image, lens):
        mean = image.mean(dim=1, keepdim=True)
        inverse_depth = 0.5 + 2 * mean
        coc = lens[:, 0, None, None, None] * (lens[:, 1, None, None, None] - inverse_depth)
        return coc.abs(), 1 / inverse_depth, coc, 0.05 * inverse_depth, mean.clone()


@pytest.fixture(scope="module")
def program() -> bytes:
    """The content of a .pt2 file."""
    import io

    example = (torch.rand(1, 3, 64, 96), torch.rand(1, 2))
    sides = {2: torch.export.Dim("height", min=32), 3: torch.export.Dim("width", min=32)}
    content = io.BytesIO()
    torch.export.save(torch.export.export(Tiny(), example, dynamic_shapes=({**sides}, None)), content)
    return content.getvalue()


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
    run = captured(fake_torch(cuda), program, [(1, 3, 64, 96), (1, 2)])
    outputs = run._outputs
    cuda.captured.append(lambda: [kept.copy_(new) for kept, new in zip(outputs, program(*run._inputs), strict=True)])
    with torch.inference_mode():
        for seed in (1, 2):
            torch.manual_seed(seed)
            image, lens = torch.rand(1, 3, 64, 96), torch.rand(1, 2)
            for found, expected in zip(run(image, lens), program(image, lens), strict=True):
                torch.testing.assert_close(found, expected)
    assert cuda.replays == 2


def test_program_that_cannot_be_captured_runs_as_it_is(caplog: pytest.LogCaptureFixture):
    program = Tiny()
    with caplog.at_level(logging.INFO):
        assert captured(fake_torch(FakeCuda(refuses=True)), program, [(1, 3, 64, 96), (1, 2)]) is program
    assert "not captured as a CUDA graph: operation not permitted" in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(model: Path, request_for: RequestMaker, inputs: Inputs):
    backend = load_backend("torch_cuda", request_for(model))
    for _ in range(3):
        maps = backend.run(*inputs())
    reference = load_backend("torch", request_for(model)).run(*inputs())
    for name, values in reference.items():
        np.testing.assert_allclose(maps[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


def _name_program(path: Path) -> None:
    sidecar = path.with_suffix(".json")
    named = Sidecar.read(sidecar).model_copy(update={"pt2_sha256": file_sha256(path.with_suffix(".pt2"))})
    named.write(sidecar)
