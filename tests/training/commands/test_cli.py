"""The training command line: every command it lists can be imported without torch and explains itself."""

import importlib
import subprocess
import sys

import pytest

from defocus_depth.commands.dispatch import main
from defocus_training.cli import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(importlib.import_module(COMMANDS[name].module).run)
    assert main("defocus_training", COMMANDS, [name, "--help"]) == 0
    assert name in capsys.readouterr().out


def test_the_command_line_is_importable_without_torch() -> None:
    code = "import sys, defocus_training.cli as c; assert 'torch' not in sys.modules; print(len(c.COMMANDS))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(COMMANDS)


def test_a_bad_configuration_is_one_line_and_exit_code_2(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("defocus_training", COMMANDS, ["train", str(tmp_path / "none.yaml")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("defocus_training train: ") and error.count("\n") == 1
