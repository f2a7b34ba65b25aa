"""The torch blur against the compiled one, on the CPU and, where there is one, on the GPU."""

import numpy as np
import pytest
import torch

from defocus_training.data.gather_blur import cats_eye_spans, disc_spans, gather_blur, polygon_spans
from defocus_training.data.layered_scene import random_scene
from defocus_training.data.procedural import ProceduralOptions, generate_stack, render_layers
from defocus_training.data.torch_blur import fastest_renderer, gather_blur_frames, render_on

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
GPU = pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])
DEVICES = ["cpu", GPU]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "spans", [disc_spans(), polygon_spans(6, 0.3), cats_eye_spans(0.4)], ids=["disc", "hex", "eye"]
)
def test_the_same_values_as_the_compiled_blur(spans, device):
    rng = np.random.default_rng(0)
    layer = rng.random((48, 56, 4), np.float32)
    coc = (rng.uniform(-14, 14, (3, 48, 56)) * (rng.random((3, 48, 56)) > 0.05)).astype(np.float32)
    tensors = [torch.from_numpy(values).to(device) for values in (layer, coc, spans)]
    fast = gather_blur_frames(tensors[0], tensors[1], tensors[2], 8).cpu().numpy()
    assert fast.shape == (3, 32, 40, 4)
    for frame, expected in zip(fast, (gather_blur(layer, one, spans, 8) for one in coc), strict=True):
        difference = np.abs(frame - expected)
        # a row whose middle falls between two pixels may be rounded the other way
        assert np.quantile(difference, 0.95) < 3e-4 and difference.mean() < 1e-4 and difference.max() < 0.05


def test_nothing_is_cut_without_a_margin():
    layer, coc = torch.full((20, 24, 1), 0.3), torch.full((2, 20, 24), 5.0)
    blurred = gather_blur_frames(layer, coc, torch.from_numpy(disc_spans()), 0)
    assert blurred.shape == (2, 20, 24, 1)
    torch.testing.assert_close(blurred[:, 3:-3, 3:-3], torch.full((2, 14, 18, 1), 0.3))


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_frames_as_the_compiled_renderer(device):
    scene = random_scene(np.random.default_rng(4), 72, (16.0, 3.0))
    focus_px = np.array([18, 9, 1.5], np.float32)
    fast = render_on(torch.device(device))(scene, focus_px, disc_spans(), 10)
    plain = render_layers(scene, focus_px, disc_spans(), 10)
    assert len(scene.layers) > 1 and fast.shape == plain.shape == (3, 52, 52, 3)
    assert np.quantile(np.abs(fast - plain), 0.99) < 1e-3 and np.abs(fast - plain).max() < 0.05


def test_a_stack_is_the_same_whichever_renders_it():
    options = ProceduralOptions(size_px=48, frames=3, largest_coc_px=24.0, nearest_px=(8.0, 18.0))
    plain = generate_stack(np.random.default_rng(5), options)
    fast = generate_stack(np.random.default_rng(5), options, render=render_on(torch.device("cpu")))
    np.testing.assert_array_equal(plain.inverse_depth_px, fast.inverse_depth_px)
    np.testing.assert_allclose(plain.radiance, fast.radiance, atol=0.05)
    assert np.abs(plain.radiance - fast.radiance).mean() < 1e-4


def test_without_a_gpu_the_compiled_renderer_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fastest_renderer() is render_layers
