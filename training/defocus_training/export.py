"""From trained weights to what robots run: one ONNX graph with its sidecar, fp16 weights, an exported program."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from defocus_depth.errors import ModelError
from defocus_depth.inference.artifact import INPUT_NAMES, OUTPUT_NAMES, Sidecar, file_sha256

from .data.crops import Supervision
from .networks import DefocusModel
from .networks.unet import ConvBlock
from .scale_calibration import calibrate, references
from .train.checkpoints import save_weights, writable
from .working_input import InputForm

EXAMPLE_LENS = (7.8, 2.857, 2.857)
OPSET = 18
SMALLEST_SIZE = 1e-12
"""Root mean square of a channel's weights: it may be dead."""


@dataclass(frozen=True)
class ModelCard:
    """What the sidecar says of a model beside its files' hashes."""

    supervision: Supervision
    trained_on: str
    metrics: dict[str, float | dict[str, float]]


def calibrated(model: DefocusModel, stacks: Path, fits: Path) -> DefocusModel:
    """The model with the factors that `fits` of `stacks` ask for (`scale_calibration`).

    Raises:
        ConfigError: no stack has a fit, or the fits ask for factors that no sound model needs.
    """
    factors = calibrate(model, references(stacks, fits))
    model.options = replace(model.options, scale_factor=factors.scale, median_factor=factors.median)
    return model


def export_model(
    model: DefocusModel,
    onnx_path: Path,
    card: ModelCard,
    exported_program: bool = False,
    weight_steps: int | None = None,
) -> Sidecar:
    """Write `<name>.onnx`, `<name>.safetensors` (fp16), with `exported_program` `<name>.pt2`, and `<name>.json` last.

    Args:
        weight_steps: how finely convolutions' weights are kept, as in `with_coarse_weights`; None: as they are. Files
            of coarse weights are as large, but compress well.

    Raises:
        ModelError: the ONNX exporter failed.
        ConfigError: a file cannot be written.
    """
    with writable(onnx_path):
        onnx_path.parent.mkdir(parents=True, exist_ok=True)
    if weight_steps is not None:
        model = with_coarse_weights(_absorbed(model), weight_steps)
    folded = _folded(model)
    if weight_steps is not None:  # undo what folding an absorbed batch norm does to float32's last bits
        _with_weights(folded, lambda convolution: convolution.weight.data.half().float())
    program = _trace(folded)
    _write_onnx(program, onnx_path)
    save_weights(onnx_path.with_suffix(".safetensors"), model, model.options, half=True)
    pt2 = onnx_path.with_suffix(".pt2")
    if exported_program:
        with writable(pt2):
            torch.export.save(program, pt2)
    form = InputForm()
    sidecar = Sidecar(
        sizes=form.sizes,
        transfer=form.transfer,
        supervision=card.supervision,
        trained_on=card.trained_on,
        metrics=card.metrics,
        sha256=file_sha256(onnx_path),
        pt2_sha256=file_sha256(pt2) if exported_program else None,
        max_coc_px=form.max_coc_px,
    )
    with writable(onnx_path):
        sidecar.write(onnx_path.with_suffix(".json"))
    return sidecar


def with_coarse_weights(model: DefocusModel, steps: int) -> DefocusModel:
    """`model` itself, its convolutions' weights rounded to multiples of a power of two.

    There are about `steps` of them to the root mean square of an output channel's weights. Equal steps, since to round
    a small weight by as much as a large one does as little harm, and takes fewer bits than a mantissa for each. Half as
    many in both encoders' last levels, which hold half of all weights and do not feel it.
    """
    deepest = {part for net in (model.sdnet, model.depthnet) for part in net.unet.encoder[-1].modules()}

    def rounded(convolution: nn.Conv2d) -> Tensor:
        weight = convolution.weight.data
        size = weight.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(SMALLEST_SIZE)
        step = (size / (steps / 2 if convolution in deepest else steps)).log2().round().exp2()
        return (weight / step).round() * step

    return _with_weights(model, rounded)


def _absorbed(model: DefocusModel) -> DefocusModel:
    """A copy of the same function whose convolutions' weights are those of the folded graph.

    Each convolution takes over a = γ/√(σ² + ε) of its batch norm, whose statistics follow; γ becomes |γ|, so that
    training goes on from it as before (√ε at least, or it could not be undone). Rounded once, weights are then the same
    in both files.
    """
    copied = copy.deepcopy(model).eval()
    for convolution, norm in (_parts(block) for block in copied.modules() if isinstance(block, ConvBlock)):
        assert norm.running_mean is not None and norm.running_var is not None  # ConvBlock's norms track them
        gain = norm.weight.data / (norm.running_var + norm.eps).sqrt()
        convolution.weight.data *= gain.view(-1, 1, 1, 1)
        norm.running_mean.mul_(gain)
        norm.weight.data.abs_().clamp_min_(norm.eps**0.5)
        norm.running_var.copy_((norm.weight.data.square() - norm.eps).clamp_min(0))
    return copied


def _with_weights(model: DefocusModel, change: Callable[[nn.Conv2d], Tensor]) -> DefocusModel:
    """`model` itself, with all its convolutions' weights changed."""
    for convolution in model.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.weight.data = change(convolution)
    return model


class _Graph(nn.Module):
    """The model with a plain tuple as output, which an exported program can hold."""

    def __init__(self, model: DefocusModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, lens: Tensor) -> tuple[Tensor, ...]:
        """See `DefocusModel.forward`."""
        return tuple(self.model(image, lens))


def _trace(model: DefocusModel) -> torch.export.ExportedProgram:
    """The graph with height and width free, in multiples of 32."""
    height, width = (32 * torch.export.Dim(name, min=2, max=60) for name in ("rows32", "columns32"))
    example = (torch.rand(1, 3, 256, 320), torch.tensor([EXAMPLE_LENS]))
    graph = _Graph(model).eval()
    return torch.export.export(graph, example, dynamic_shapes=({2: height, 3: width}, None))


def _folded(model: DefocusModel) -> DefocusModel:
    """A copy whose batch norms are part of their convolutions: the exporter folds those of unshared weights only."""
    copied = copy.deepcopy(model).eval()
    for block in copied.modules():
        if isinstance(block, ConvBlock):
            block[0] = fuse_conv_bn_eval(*_parts(block))
            block[1] = nn.Identity()
    return copied


def _parts(block: ConvBlock) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    convolution, norm = block[0], block[1]
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return convolution, norm


def _write_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of its own internals
            onnx_program = torch.onnx.export(
                program,
                input_names=list(INPUT_NAMES),
                output_names=list(OUTPUT_NAMES),
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
        assert onnx_program is not None  # dynamo=True returns a program
        onnx.save(_anonymous(onnx_program.model_proto), path)
    except Exception as error:  # the exporter documents no error type
        raise ModelError(f"{path}: ONNX export failed: {error}") from error


def _anonymous(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the exporter's notes, which name the source files of the machine that exported."""
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model
