"""Stacks made on a GPU against those made on a core: on CUDA where it is, and in numba's simulator of it everywhere."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_training.data.pool import make_shard
from defocus_training.data.procedural import ProceduralOptions
from defocus_training.data.stack_engine import StackEngine, stack_engine

NO_GPU = pytest.mark.skipif(stack_engine() == StackEngine(), reason="needs a CUDA device and libNVVM")
SMALL = {"size_px": 24, "frames": 2, "largest_coc_px": 16.0, "nearest_px": (6.0, 10.0)}
SHAPES = ("disc", "hex", "eye")
KINDS = {"layers": (0.0, 0.0), "rooms": (1.0, 0.0), "standing": (0.0, 1.0)}

SIMULATED = """
import json, sys
import numpy as np
from defocus_training.data import cuda_rays, simulated
from defocus_training.data.cuda_blur import render_layers_on_gpu
from defocus_training.data.gather_blur import cats_eye_spans, disc_spans, polygon_spans
from defocus_training.data.layered_scene import random_scene
from defocus_training.data.pool import _random_stack
from defocus_training.data.procedural import ProceduralOptions, render_layers
from defocus_training.data.stack_engine import StackEngine
from defocus_training.fitting.cuda_median import fill_medians_on_gpu
from defocus_training.fitting.weighted_median import weighted_median

def bare(value):  # the simulator's arrays are wrapped, which compiled functions do not take
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(bare, value))
    for inside in ("_item", "_ary"):
        value = getattr(value, "__dict__", {}).get(inside, value)
    return value

def unwrapping(function):
    return lambda *given: function(*map(bare, given))

cuda_rays.find_candidates, cuda_rays.sample_pixel = map(unwrapping, (cuda_rays.find_candidates, cuda_rays.sample_pixel))
simulated.SAMPLES_PER_PIXEL = cuda_rays.SAMPLES_PER_PIXEL = 3
small, kinds = json.loads(sys.argv[1])
furthest = {}
for kind, (rooms, standing) in kinds.items():
    options = ProceduralOptions(**small, simulated_share=rooms, standing_share=standing)
    one, other = (
        _random_stack(np.random.default_rng(5), options, [], engine).radiance
        for engine in (StackEngine(), StackEngine(render_layers_on_gpu, cuda_rays.trace_on_gpu))
    )
    assert one.std() > 0.01
    furthest[kind] = float(np.abs(one - other).max())
scene = random_scene(np.random.default_rng(4), 72, (16.0, 3.0))
assert len(scene.layers) > 1
for shape, spans in {"disc": disc_spans(), "hex": polygon_spans(6, 0.3), "eye": cats_eye_spans(0.4)}.items():
    given = scene, np.array([18, 1.5], np.float32), spans, 26  # 20 px: blocks reach beyond the borders
    apart = np.abs(render_layers(*given) - render_layers_on_gpu(*given))
    furthest[shape] = [float(apart.max()), float(apart.mean()), float(np.quantile(apart, 0.99))]
rng = np.random.default_rng(0)
given = [rng.random(shape, np.float32) for shape in ((20, 24), (20, 24, 3), (20, 24))]
where = rng.random((20, 24)) > 0.5
one, other = (weighted_median(*given, where, 4, 1.0, fill) for fill in (None, fill_medians_on_gpu))
assert (one[where] != given[0][where]).mean() > 0.9 and (one[~where] == given[0][~where]).all()
furthest["median"] = float(np.abs(one - other).max())
print(json.dumps(furthest))
"""


def test_the_kernels_compute_what_the_compiled_loops_do() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SIMULATED, json.dumps([SMALL, KINDS])],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    furthest = json.loads(run.stdout.splitlines()[-1])
    assert furthest.keys() == {*KINDS, *SHAPES, "median"}
    assert furthest["rooms"] == furthest["standing"] == 0  # the very same functions
    assert furthest["layers"] < 0.02 and furthest["median"] < 1e-5
    for most, mean, usual in (
        furthest[shape] for shape in SHAPES
    ):  # a row between two pixels may be rounded either way
        assert most < 0.05 and mean < 1e-4 and usual < 1e-3


@pytest.mark.gpu
@NO_GPU
@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_is_nearly_the_same_on_a_gpu(kind: str) -> None:
    rooms, standing = KINDS[kind]
    options = ProceduralOptions(size_px=96, simulated_share=rooms, standing_share=standing)
    plain, fast = (make_shard([3, 4], options, [], stack_engine(device)) for device in ("cpu", "cuda"))
    np.testing.assert_array_equal(plain.truth_px, fast.truth_px)
    np.testing.assert_array_equal(plain.focus_px, fast.focus_px)
    steps = np.abs(plain.frames.astype(int) - fast.frames)
    assert steps.mean() < 0.1 and (steps > 2).mean() < 1e-3
    apart = np.abs(plain.teacher_px.astype(np.float32) - fast.teacher_px.astype(np.float32))
    assert np.median(apart) < 0.02 and apart.mean() < 0.15


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_cuda_stacks_are_made_on_a_core() -> None:
    assert stack_engine() == stack_engine("cpu") == StackEngine()
    with pytest.raises(ConfigError, match="stacks on cuda: expected a CUDA device for PyTorch, found none"):
        stack_engine("cuda")
