"""The dataclass of parameters as ROS parameters: declared with descriptors, validated with reasons."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from ..errors import ConfigError, DefocusDepthError
from .parameters import ParameterSpec, parameter_specs

Parameters = TypeVar("Parameters")
_TYPES = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
}


class ParameterServer(Generic[Parameters]):
    """Declares the parameters of a dataclass on a node and keeps the values that hold.

    Attributes:
        values: what holds now; replaced as a whole, so that another thread always sees one consistent set.
    """

    values: Parameters

    def __init__(
        self,
        node: Node,
        parameters: type[Parameters],
        is_configured: Callable[[], bool],
        accept: Callable[[Parameters, Collection[str]], None],
    ):
        """Declare all parameters, with the values given at start.

        Args:
            parameters: frozen dataclass made of `parameter` fields, which checks itself.
            is_configured: whether parameters that apply in configure are frozen now.
            accept: told every new set of values before it holds, and which of them were set; may refuse it with a
                DefocusDepthError.

        Raises:
            ConfigError: a value given at start is out of its range or has another type.
        """
        self._logger = node.get_logger()
        self._is_configured = is_configured
        self._accept = accept
        self._specs = tuple(parameter_specs(parameters))
        self.values = parameters(**{spec.name: _declared(node, spec) for spec in self._specs})
        node.add_on_set_parameters_callback(self._on_set)
        if hasattr(node, "add_pre_set_parameters_callback"):  # Humble has none: there only values at start may be whole
            node.add_pre_set_parameters_callback(self._with_doubles)

    def _with_doubles(self, changes: list[Parameter]) -> list[Parameter]:
        """Whole numbers as doubles where doubles are meant: YAML and command lines take `1` for an integer."""
        doubles = {spec.name for spec in self._specs if isinstance(spec.default, float)}
        return [
            Parameter(change.name, Parameter.Type.DOUBLE, float(change.value))  # type: ignore[arg-type]
            if change.name in doubles and change.type_ == Parameter.Type.INTEGER
            else change
            for change in changes
        ]

    def _on_set(self, changes: Iterable[Parameter]) -> SetParametersResult:
        names = {spec.name for spec in self._specs}
        values = {change.name: change.value for change in changes if change.name in names}
        try:
            self._change(values)
        except DefocusDepthError as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # a bug, which must not end the node
            self._logger.error(f"parameters failed unexpectedly:\n{traceback.format_exc()}")
            return SetParametersResult(successful=False, reason=f"{type(error).__name__}: {error}")
        return SetParametersResult(successful=True)

    def _change(self, values: Mapping[str, object]) -> None:
        if not values:
            return
        for spec in self._specs:
            changes = spec.name in values and values[spec.name] != getattr(self.values, spec.name)
            if changes and spec.applies == "in configure" and self._is_configured():
                raise ConfigError(f"{spec.name}: expected the node unconfigured: clean it up before changing this")
        changed = dataclasses.replace(self.values, **values)  # type: ignore[type-var]
        self._accept(changed, values)
        self.values = changed


def _declared(node: Node, spec: ParameterSpec) -> object:
    try:
        value = _given(node, spec) if isinstance(spec.default, float) else None
        if value is None:
            return node.declare_parameter(spec.name, spec.default, descriptor(spec)).value
        return node.declare_parameter(spec.name, value, descriptor(spec), ignore_override=True).value
    except Exception as error:  # rclpy has one class for each way in which a value can be wrong
        expected = f"{type(spec.default).__name__} {spec.constraint}".strip()
        raise ConfigError(f"parameter {spec.name}: expected {expected}: {error}") from error


def _given(node: Node, spec: ParameterSpec) -> float | None:
    """The value of a double that was given at start as a whole number; None where it was not.

    rclpy tells what was given only of parameters that are declared, and refuses an integer where a double is.
    """
    value = node.declare_parameter(spec.name, spec.default, ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(spec.name)
    return float(value) if type(value) is int else None  # bool is an int too


def descriptor(spec: ParameterSpec) -> ParameterDescriptor:
    """Description, type, range and read-only flag of a parameter."""
    described = ParameterDescriptor(
        name=spec.name,
        type=_TYPES[type(spec.default)].value,
        description=spec.description,
        read_only=spec.applies == "at start",
        additional_constraints="; ".join(filter(None, (spec.constraint, _when(spec)))),
    )
    # A range cannot say "or inf": such parameters are checked by the callback alone.
    if spec.minimum is not None and spec.maximum is not None and not spec.inf_allowed:
        if isinstance(spec.default, float):
            described.floating_point_range = [
                FloatingPointRange(from_value=float(spec.minimum), to_value=float(spec.maximum))
            ]
        else:
            described.integer_range = [IntegerRange(from_value=int(spec.minimum), to_value=int(spec.maximum), step=1)]
    return described


def _when(spec: ParameterSpec) -> str:
    return {
        "at once": "",
        "in configure": "can be set while the node is unconfigured",
        "at start": "read-only: given at start",
    }[spec.applies]
