"""Writes docs/results.md and its pictures from the JSON files in docs/results.

    python benchmarks/render_results.py

Figures come from `measure_results.py`, `ablations.py`, `learning_curve.py`, `blur_sign.py`, `real_stacks.py` and
`defocus_training fit --json`; nothing is typed in by hand but the published rows, which name their source. A section
without its file is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "results"})  # small files, the same every time

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs/results"
IMAGES = ROOT / "docs/images"
REPORT = ROOT / "docs/results.md"
METHODS = {
    "network": "**network, one image, self-supervised**",
    "twin": "supervised twin (see below), one image",
    "fused": "network, all frames fused",
    "constant": "constant (the set's median)",
    "zhuo_sim": "Zhuo-Sim edge defocus, one image",
    "dff_sml": "sum-modified-Laplacian depth from focus, all frames",
}
COLUMNS = {"abs_rel": "AbsRel", "rmse_m": "RMSE m", "delta1": "δ1", "coc_mae_px": "CoC px"}
PUBLISHED = """\
Published figures under DEReD's NYUv2 protocol, **on other images**:

| method | images in | labels | RMSE m | AbsRel | δ1 |
| --- | --- | --- | --- | --- | --- |
| DEReD | 5 | none | .325 | .170 | .950 |
| Defocus-Net (self + all-in-focus) | 1 | none | .623 | .176 | .732 |
| Gur & Wolf | 1 | none | .649 | .184 | .720 |
| DFV | 5 | depth | .232 | – | .967 |
"""


def main() -> None:
    """Read what is there, write the report."""
    sets = [_read(path) for path in sorted(FIGURES.glob("set_*.json"))]
    sections = ["# Results", _preamble(sets), *map(_set_section, sets), *_optional_sections()]
    REPORT.write_text("\n\n".join(section.strip() for section in sections if section) + "\n", encoding="utf-8")


def _preamble(sets: Iterable[Mapping[str, Any]]) -> str:
    models = sorted({figures["model_sha256"][:12] for figures in sets})
    return (
        "Made by `benchmarks/render_results.py` from the JSON in `docs/results/`. Every method sees the same frames; "
        "single-image methods see the frame focused nearest. Figures are means over frames of all pixels with truth, "
        f"unmasked. Model: `{', '.join(models)}…`."
    )


def _set_section(figures: Mapping[str, Any]) -> str:
    methods = figures["methods"]
    head = f"## {figures['name']} ({figures['frames']} frames)"
    note = f"The twin: {figures['twin_note']}." if figures.get("twin_note") else ""
    parts = [head, _method_table(methods), note, _textured_table(methods), _confidence(figures), _sources(methods)]
    if "protocol" in figures["name"]:
        parts.append(PUBLISHED)
    return "\n\n".join(part for part in parts if part)


def _method_table(methods: Mapping[str, Any]) -> str:
    rows = [[METHODS[name], *(_cell(row[key]) for key in COLUMNS)] for name, row in _ordered(methods)]
    return _table(["method", *COLUMNS.values()], rows)


def _textured_table(methods: Mapping[str, Any]) -> str:
    fraction = methods["network"]["textured"]["fraction"]
    rows = [
        [METHODS[name], _cell(row["textured"]["abs_rel"]), _cell(row["textured"].get("confident_half_abs_rel"))]
        for name, row in _ordered(methods)
    ]
    text = f"Textured pixels (luminance deviation ≥ 0.02 in 9×9 of the sharp picture; {fraction:.0%} of all):"
    return f"{text}\n\n" + _table(["method", "AbsRel", "of the more confident half"], rows)


def _confidence(figures: Mapping[str, Any]) -> str:
    network = figures["methods"]["network"]
    picture = _confidence_picture(figures["name"], network["calibration"], network["sparsification"])
    return f"{confidence_words(network)}\n\n![reliability and sparsification]({picture})"


def confidence_words(network: Mapping[str, Any]) -> str:
    """How far one method's confidence can be trusted, from its figures; older files do not have the pooled one."""
    calibration, sparsification = network["calibration"], network["sparsification"]
    pooled = sparsification.get("pooled_confident_half_abs_rel")
    together = "" if pooled is None else f", of all frames' pixels together {_cell(pooled)}"
    return (
        f"Confidence: 50 % intervals cover {calibration['coverage_50']:.1%}, 90 % intervals "
        f"{calibration['coverage_90']:.1%}; mean confidence {calibration['mean_confidence']:.3f} against δ1 "
        f"{network['delta1']:.3f}; the more confident half of each frame's pixels has AbsRel "
        f"{_cell(sparsification['confident_half_abs_rel'])}{together}; all have {_cell(network['abs_rel'])}."
    )


def _sources(methods: Mapping[str, Any]) -> str:
    sources = methods["network"].get("sources")
    if not sources or len(sources) < 2:
        return ""
    constant = methods["constant"]["sources"]
    rows = [
        [source, str(row["n"]), *(_cell(row[key]) for key in COLUMNS), _cell(constant[source]["abs_rel"])]
        for source, row in sources.items()
    ]
    return "By source:\n\n" + _table(["source", "frames", *COLUMNS.values(), "constant's AbsRel"], rows)


def _optional_sections() -> list[str]:
    sections = {
        "choice": _choice,
        "learning_curve": _learning_curve,
        "blur_sign": _blur_sign,
        "ablations": _ablations,
        "fit": _fit,
        "refine": _refine,
    }
    return [make(_read(path)) for name, make in sections.items() if (path := FIGURES / f"{name}.json").exists()]


def _choice(figures: Mapping[str, Any]) -> str:
    """PSNR of frames left out, averaged over the stacks, and in words what decided."""
    stacks = list(figures["stacks"].values())
    means = {name: sum(stack[name] for stack in stacks) / len(stacks) for name in stacks[0]}
    rows = [[name, f"{mean:.2f}"] for name, mean in means.items()]
    table = _table(["depth from", f"PSNR dB, mean of {len(stacks)} stacks"], rows)
    return f"## Which weights are released\n\n{figures['text']}\n\n{table}"


def _ablations(figures: Mapping[str, Any]) -> str:
    rows = [[row["name"].replace("|", r"\|"), *(_cell(row[key]) for key in COLUMNS)] for row in figures["variants"]]
    seeds = [row["abs_rel"] for row in figures["variants"] if row["name"].startswith("as released")]
    text = (
        f"Runs of {figures['steps']} steps ({figures['images']} images) from random weights that differ in one thing, "
        f"scored on the stacks of `{figures['stacks']}`, one image. They do not show what a long training reaches. "
        f"{len(seeds)} seeds of one and the same run lie between AbsRel {_cell(min(seeds))} and {_cell(max(seeds))}: "
        "only differences well beyond that mean anything."
    )
    return f"## Ablations\n\n{text}\n\n" + _table(["variant", *COLUMNS.values()], rows)


def _learning_curve(figures: Mapping[str, Any]) -> str:
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    errors = {"coc_mae_px": "CoC error, px", "inverse_depth_error_px": "inverse depth error, px", "abs_rel": "AbsRel"}
    known = [(key, label) for key, label in errors.items() if key in figures["points"][0]]
    for axis, (key, label) in zip(axes, known[:2], strict=True):
        axis.plot([p["images"] / 1e6 for p in figures["points"]], [p[key] for p in figures["points"]], "o-")
        axis.set(xlabel="million training crops", ylabel=label)
        axis.grid(alpha=0.3)
    figure.savefig(IMAGES / "learning_curve.svg", metadata={"Date": None})
    return f"## Learning curve\n\n{figures['text']}\n\n![learning curve](images/learning_curve.svg)"


def _blur_sign(figures: Mapping[str, Any]) -> str:
    columns = {"near_side_right": "nearer side right", "far_side_right": "farther side right", "coc_mae_px": "CoC px"}
    rows = [[name, *(_cell(row[key]) for key in columns)] for name, row in figures["models"].items()]
    text = (
        f"One image, focused inside the scene: {figures['rooms']} rooms in which things stand on tables and floors. "
        f"Share of the pixels blurred by more than {figures['blurred_px']:g} px whose side of the focus is right. In "
        "the picture: frame, true CoC, each model's; blue is nearer than the focus, red farther. Rooms change with "
        "what training sees: rows of one table can be compared, not tables of different releases."
    )
    picture = "![sign of blur](images/blur_sign.jpg)"
    return f"## Nearer or farther than the focus\n\n{text}\n\n{_table(['model', *columns.values()], rows)}\n\n{picture}"


def _fit(figures: Mapping[str, Any]) -> str:
    columns = ["stack", "AbsRel, textured", "δ1, textured", "AbsRel", "δ1", "textured"]
    keys = ("abs_rel_textured", "delta1_textured", "abs_rel", "delta1", "textured_fraction")
    rows = [[row["name"], *(_cell(row.get(key)) for key in keys)] for row in figures["stacks"]]
    return f"## Fit\n\n{figures['text']}\n\n" + _table(columns, rows)


def _refine(figures: Mapping[str, Any]) -> str:
    columns = {
        "flat": "flat scene",
        "released": "released",
        "refined": "refined",
        "fit": "the fit",
        "interpolated": "neighbours",
    }
    rows = [[row["name"], *(f"{row[key]:.1f}" for key in columns)] for row in figures["stacks"]]
    return f"## Refining on real stacks\n\n{figures['text']}\n\n" + _table(["stack, PSNR dB", *columns.values()], rows)


def _confidence_picture(name: str, calibration: Mapping[str, Any], sparsification: Mapping[str, Any]) -> str:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    bins = calibration["reliability"]
    left.plot([0, 1], [0, 1], color="0.7")
    left.plot([b["confidence"] for b in bins], [b["delta1"] for b in bins], "o-")
    left.set(xlabel="confidence", ylabel="measured δ1", xlim=(0, 1), ylim=(0, 1))
    right.plot(sparsification["left_out"], sparsification["abs_rel"], label="by confidence, each frame")
    if "pooled_curve_abs_rel" in sparsification:
        right.plot(sparsification["left_out"], sparsification["pooled_curve_abs_rel"], label="all frames together")
    right.plot(sparsification["left_out"], sparsification["oracle_abs_rel"], color="0.6", label="by true error")
    right.set(xlabel="fraction left out", ylabel="AbsRel of the rest", ylim=(0, None))
    right.legend(frameon=False)
    file = f"confidence_{''.join(c if c.isalnum() else '_' for c in name)}.svg"
    figure.savefig(IMAGES / file, metadata={"Date": None})
    plt.close(figure)
    return f"images/{file}"


def _ordered(methods: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, methods[name]) for name in METHODS if name in methods]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
