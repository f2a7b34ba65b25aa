"""The share folder is found in the repository, in ament prefixes, and in the interpreter's prefix."""

import sys
from pathlib import Path

import pytest

from defocus_depth import share
from defocus_depth.errors import ConfigError


@pytest.fixture
def installed_elsewhere(tmp_path, monkeypatch):
    """As if the module lay in site-packages, away from the repository."""
    monkeypatch.setattr(share, "__file__", str(tmp_path / "lib" / "site-packages" / "defocus_depth" / "share.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return tmp_path


def _put(prefix: Path, text: str) -> Path:
    path = prefix / "share" / "defocus_depth" / "config" / "lens.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_a_development_install_reads_the_repository():
    assert share.share_path("package.xml") == Path(__file__).resolve().parents[1] / "package.xml"


def test_ament_prefixes_come_before_the_interpreters(installed_elsewhere, monkeypatch):
    in_venv = _put(installed_elsewhere / "venv", "pip")
    assert share.share_path("config", "lens.yaml") == in_venv
    in_workspace = _put(installed_elsewhere / "install", "colcon")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{installed_elsewhere / 'other'}:{installed_elsewhere / 'install'}")
    assert share.share_path("config", "lens.yaml") == in_workspace


def test_says_where_it_looked(installed_elsewhere):
    with pytest.raises(ConfigError, match=r"expected config/none.yaml in one of .*venv/share/defocus_depth"):
        share.share_path("config", "none.yaml")
