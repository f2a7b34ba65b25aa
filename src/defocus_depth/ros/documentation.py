"""Tables of topics and parameters for the docs, and config/depth.yaml, made from the code.

    python -m defocus_depth.ros.documentation docs/ros.md README.md --params-file config/depth.yaml

In a markdown file the text between `<!-- begin:topics -->` and `<!-- end:topics -->` is replaced; likewise between
the marks of the other `BLOCKS`. Only the tables of the other nodes need ROS.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import tyro

from ..errors import ConfigError, DefocusDepthError
from .parameters import DepthNodeParameters, ParameterSpec, Value, parameter_specs
from .topics import TOPICS, Topic

_BLOCK = re.compile(r"(<!-- begin:(?P<name>[\w-]+) -->\n).*?(<!-- end:(?P=name) -->)", re.DOTALL)
_TYPES = {bool: "bool", int: "int", float: "double", str: "string"}
_YAML_HEAD = """\
# Parameters of depth_node with their defaults, made from src/defocus_depth/ros/parameters.py:
# python -m defocus_depth.ros.documentation --params-file config/depth.yaml
# Copy it, change what differs, and give it to the launch file: params_file:=…
/**:
  ros__parameters:
"""


def topics_table() -> str:
    """A markdown table of the depth node's topics."""
    rows = [(topic.direction, f"`{topic.name}`", topic.type, _quality(topic), _notes(topic)) for topic in TOPICS]
    return _table(("direction", "name", "type", "QoS", "notes"), rows)


def parameters_table(parameters: type = DepthNodeParameters) -> str:
    """A markdown table of a node's parameters, by default the depth node's."""
    rows = [
        (f"`{s.name}`", _TYPES[type(s.default)], f"`{yaml_scalar(s.default)}`", s.constraint, s.applies, s.description)
        for s in parameter_specs(parameters)
    ]
    return _table(("name", "type", "default", "values", "applies", "meaning"), rows)


def camera_parameters_table() -> str:
    """A markdown table of the simulated camera's parameters."""
    from .simulated_camera import SimulatedCameraParameters

    return parameters_table(SimulatedCameraParameters)


def lens_state_parameters_table() -> str:
    """A markdown table of the lens state node's parameters."""
    from .lens_state_node import LensStateNodeParameters

    return parameters_table(LensStateNodeParameters)


BLOCKS: dict[str, Callable[[], str]] = {
    "topics": topics_table,
    "parameters": parameters_table,
    "camera-parameters": camera_parameters_table,
    "lens-state-parameters": lens_state_parameters_table,
}


def refreshed(markdown: str) -> str:
    """The text with every marked block made anew.

    Raises:
        ConfigError: a block that nobody makes.
    """

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in BLOCKS:
            raise ConfigError(f"marked block: expected one of {', '.join(BLOCKS)}, got {name!r}")
        return f"{match[1]}{BLOCKS[name]()}{match[3]}"

    return _BLOCK.sub(block, markdown)


def params_yaml() -> str:
    """config/depth.yaml: every parameter with its default and, as a comment, its meaning."""
    return _YAML_HEAD + "".join(_yaml_block(spec) for spec in parameter_specs())


def yaml_scalar(value: Value) -> str:
    """A value as YAML and ROS read it back with its own type."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if math.isinf(value):
        return ".inf"
    return repr(value)


def _yaml_block(spec: ParameterSpec) -> str:
    constraint = f" [{spec.constraint}]" if spec.constraint else ""
    when = "" if spec.applies == "at once" else f" Applies {spec.applies}."
    return f"    # {spec.description}{constraint}{when}\n    {spec.name}: {yaml_scalar(spec.default)}\n"


def _quality(topic: Topic) -> str:
    return f"{'reliable' if topic.reliable else 'best effort'}, {topic.depth}"


def _notes(topic: Topic) -> str:
    return topic.notes + (f" With `{topic.parameter}: true`." if topic.parameter else "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


@dataclasses.dataclass
class Options:
    """Files to refresh."""

    markdown: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Markdown files whose marked blocks are made anew."""
    params_file: Path | None = None
    """YAML file to write the parameters' defaults to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Refresh the files named on the command line; 2 and one line on stderr where that cannot be done."""
    options = tyro.cli(Options, args=arguments, description=__doc__)
    try:
        for path in options.markdown:
            path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
        if options.params_file:
            options.params_file.write_text(params_yaml(), encoding="utf-8")
    except (OSError, DefocusDepthError) as error:
        print(f"documentation: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
