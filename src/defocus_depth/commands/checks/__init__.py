"""What `doctor` looks at: each check gives one finding, and never raises for what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        status: `error` keeps the main path from running, `warning` spoils it, `note` is for information.
        found: what is there.
        fix: what to do about it; empty where nothing is wrong.
    """

    name: str
    status: Status
    found: str
    fix: str = ""
