"""The node's health as one diagnostic status: a level, a sentence, and figures by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from .frame_statistics import Window

WATCHED = "watched topics"
# What can happen to an image, and the words for it in the figures.
LOSSES = {
    "replaced": "replaced by a newer one before its turn",
    "lost": "lost by the middleware",
    "unwatched": "not processed: no subscriber",
    "lens_travelling": "skipped: lens travelling",
    "lens_state_stale": "skipped: lens_state too old",
    "lens_state_later": "skipped: all lens_state later than the image",
    "focus_unknown": "skipped: focus distance unknown",
    "refused": "refused",
    "failed": "failed unexpectedly",
}
# Faults that cost no image of their own.
FAULTS = {"lens_state_refused": "lens_state messages refused", "camera_info": "times an unusable camera_info"}
_HARMLESS = ("replaced", "lost", "unwatched")


@dataclass(frozen=True)
class NodeFacts:
    """What the status says besides the frames.

    Attributes:
        state: of the lifecycle.
        failure: why the last transition failed; "" after one that did not.
        image_topic: full name; "" while inactive.
        stale_after_s: time without an image, or with images and without a result, that counts as an error.
        about: further figures (backend, model hash, …), shown as they are.
    """

    state: str
    failure: str
    image_topic: str
    stale_after_s: float
    about: Mapping[str, str]


def diagnostic_array(node_name: str, window: Window, facts: NodeFacts, stamp: object) -> DiagnosticArray:
    """The message of one second."""
    level, summary = _verdict(window, facts)
    figures = {"state": facts.state, **facts.about, **_figures(window)}
    values = [KeyValue(key=key, value=value) for key, value in figures.items()]
    status = DiagnosticStatus(level=level, name=f"{node_name}: depth from defocus", message=summary, values=values)
    status.hardware_id = facts.image_topic
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp
    return message


def _verdict(window: Window, facts: NodeFacts) -> tuple[bytes, str]:
    if facts.failure:
        return DiagnosticStatus.ERROR, facts.failure
    if facts.state != "active":
        return DiagnosticStatus.OK, facts.state
    if window.silent_s is not None and window.silent_s > facts.stale_after_s:
        return DiagnosticStatus.ERROR, f"stale input: no image on {facts.image_topic} for {window.silent_s:.1f} s"
    if window.stuck_s > facts.stale_after_s:
        return DiagnosticStatus.ERROR, f"stuck: images arrive, and none got through for {window.stuck_s:.1f} s"
    troubles = [kind for kind in (*LOSSES, *FAULTS) if kind not in _HARMLESS and window.counts[kind]]
    if not troubles:
        return DiagnosticStatus.OK, _occupation(window, facts)
    costs_frames = any(kind in LOSSES for kind in troubles)
    worst = DiagnosticStatus.ERROR if costs_frames and not window.counts["published"] else DiagnosticStatus.WARN
    return worst, "; ".join(_trouble(window, kind) for kind in troubles)


def _occupation(window: Window, facts: NodeFacts) -> str:
    if window.counts["published"]:
        return f"publishing at {window.rate_hz('published'):.1f} Hz"
    if window.counts["unwatched"]:
        return "no subscriber"
    return "working on an image" if window.stuck_s else f"waiting for images on {facts.image_topic}"


def _trouble(window: Window, kind: str) -> str:
    words = LOSSES.get(kind) or FAULTS[kind]
    return f"{window.counts[kind]} {words}: {window.reasons.get(kind, '')}".rstrip(": ")


def _figures(window: Window) -> dict[str, str]:
    figures = {
        "image rate (Hz)": f"{window.rate_hz('received'):.2f}",
        "depth rate (Hz)": f"{window.rate_hz('published'):.2f}",
        "latency median (ms)": f"{window.percentile_ms('latency_s', 50):.1f}",
        "latency p95 (ms)": f"{window.percentile_ms('latency_s', 95):.1f}",
        "age median (ms)": f"{window.percentile_ms('age_s', 50):.1f}",
        "age p95 (ms)": f"{window.percentile_ms('age_s', 95):.1f}",
        "invalid ratio": f"{window.invalid_ratio:.4f}",
        "images received": str(window.totals["received"]),
        "frames published": str(window.totals["published"]),
    }
    for kind, words in {**LOSSES, **FAULTS}.items():
        figures[words if kind in FAULTS else f"images {words}"] = str(window.totals[kind])
    figures.update({f"last {kind}": reason for kind, reason in window.reasons.items()})
    return figures
