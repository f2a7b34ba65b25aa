"""The verdict as JUnit XML, which CI systems show: a test case per bag (could it be evaluated?) and per condition."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...atomic import replacing
from ...errors import ConfigError
from .conditions import Verdict


def write_junit(
    path: Path, name: str, bag_errors: Mapping[str, str], verdicts: Sequence[Verdict], time_s: float
) -> None:
    """Write the file.

    Args:
        name: of the scenario.
        bag_errors: by bag name why it could not be evaluated; "" where it could.
        time_s: that all of it took.

    Raises:
        ConfigError: it cannot be written.
    """
    suite = ElementTree.Element("testsuite", name=name, time=f"{time_s:.3f}")
    for bag, error in bag_errors.items():
        case = ElementTree.SubElement(suite, "testcase", classname=f"{name}.bags", name=bag)
        if error:
            ElementTree.SubElement(case, "error", message=_printable(error))
    for verdict in verdicts:
        case = ElementTree.SubElement(suite, "testcase", classname=f"{name}.conditions", name=verdict.condition.words)
        if not verdict.passed:
            ElementTree.SubElement(case, "failure", message=verdict.words)
        ElementTree.SubElement(case, "system-out").text = verdict.words
    suite.set("tests", str(len(bag_errors) + len(verdicts)))
    suite.set("errors", str(sum(map(bool, bag_errors.values()))))
    suite.set("failures", str(sum(not verdict.passed for verdict in verdicts)))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    try:
        with replacing(path) as partial:
            ElementTree.ElementTree(root).write(partial, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def _printable(text: str) -> str:
    """XML 1.0 has no control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
