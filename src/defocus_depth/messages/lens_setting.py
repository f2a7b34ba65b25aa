"""Which lens and focus distance an image was taken with: what the user gave, overridden by the newest lens state."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

from ..errors import OpticsError
from ..optics import resized
from ..types import LensParameters
from .lens_state import LensState

_GAIN_POWERS = {"focal_length_m": 2, "f_number": -1, "pixel_pitch_m": -1}


@dataclass(frozen=True)
class LensSetting:
    """The lens and where it was focused.

    Attributes:
        focus_distance_m: as the lens reports it, inf allowed; None: nobody said.
        near_focus_m: the lens file's near focus, nearer than what the lens is used for; None: there is none.
    """

    lens: LensParameters
    focus_distance_m: float | None
    near_focus_m: float | None = None


@dataclass(frozen=True)
class Skip:
    """Why an image cannot be used although nothing is wrong with it: the statistics' name for it, and words."""

    kind: str
    reason: str


class LensStates(Protocol):
    """Lens states that can be asked for the one that held at a moment (`LensStateBuffer`, or a whole recording's)."""

    def __len__(self) -> int: ...

    def at(self, stamp_ns: int) -> LensState | None: ...


def setting_at(stamp_ns: int, states: LensStates, usual: LensSetting, max_age_s: float) -> LensSetting | Skip:
    """The lens setting of an image taken at `stamp_ns`, or why there is none.

    The newest lens state at or before the stamp holds, if it is at most `max_age_s` old (0: however old); as long
    as no state was ever received, the usual setting holds.

    Raises:
        OpticsError: the state changes something that the usual lens does not have.
    """
    if len(states) == 0:
        if usual.focus_distance_m is None:
            expected = "lens_state, focus_distance_m or a lens file's near_focus_distance_m"
            return Skip("focus_unknown", f"focus distance: expected {expected}, got none of them")
        return usual
    state = states.at(stamp_ns)
    if state is None:
        return Skip("lens_state_later", f"lens_state: expected one stamped at or before {stamp_ns} ns, all are later")
    age_s = (stamp_ns - state.stamp_ns) * 1e-9
    if max_age_s and age_s > max_age_s:
        return Skip(
            "lens_state_stale", f"lens_state: expected one at most {max_age_s} s old, got one {age_s:.3f} s old"
        )
    if state.travelling:
        return Skip("lens_travelling", "lens_state: expected the lens at rest, it was travelling")
    return LensSetting(_with_state(usual.lens, state), state.focus_distance_m, usual.near_focus_m)


def _with_state(lens: LensParameters, state: LensState) -> LensParameters:
    given = {"f_number": state.f_number, "focal_length_m": state.focal_length_m}
    changes = {name: value for name, value in given.items() if value is not None and value != getattr(lens, name)}
    return changed_lens(lens, changes)


def changed_lens(lens: LensParameters, changes: dict[str, float]) -> LensParameters:
    """The lens with some values replaced; a blur gain follows the others as f²/(N·p) unless it is itself among them.

    Raises:
        OpticsError: the gain cannot follow, because what it was measured with is unknown.
    """
    gain, geometric = lens.blur_gain_px_per_dpt, [name for name in _GAIN_POWERS if name in changes]
    if gain is None or "blur_gain_px_per_dpt" in changes or not geometric:
        return dataclasses.replace(lens, **changes)  # type: ignore[arg-type]
    complete = all(changes.get(name) or getattr(lens, name) for name in _GAIN_POWERS)
    if complete and any(getattr(lens, name) is None for name in geometric):
        return dataclasses.replace(lens, **changes, blur_gain_px_per_dpt=None)  # type: ignore[arg-type]
    for name in geometric:
        gain *= (changes[name] / _known(lens, name)) ** _GAIN_POWERS[name]
    return dataclasses.replace(lens, **changes, blur_gain_px_per_dpt=gain)  # type: ignore[arg-type]


def _known(lens: LensParameters, name: str) -> float:
    value = getattr(lens, name)
    if value is None:
        raise OpticsError(f"lens {name}: expected a lens whose {name} is known, got one with a blur gain alone")
    return value


def lens_of_crop(lens: LensParameters, width_px: int, full_width_px: float) -> LensParameters:
    """The lens for an image `width_px` wide, cut out of one that was `full_width_px` wide: cropping changes no blur."""
    if lens.image_width_px is None or full_width_px == width_px:
        return lens
    ratio = full_width_px / lens.image_width_px
    return dataclasses.replace(resized(dataclasses.replace(lens, image_width_px=None), ratio), image_width_px=None)
