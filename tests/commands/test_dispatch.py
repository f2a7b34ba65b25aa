"""Exit codes, one-line errors, and that only the command which runs is imported."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import Command, main, write_json
from defocus_depth.errors import ConfigError

MODULE = '''
"""A command for the test."""
import time
from dataclasses import dataclass
from pathlib import Path
from defocus_depth.errors import ImageError

@dataclass(frozen=True)
class Options:
    what: str = "fine"
    """What to do."""
    times: int = 1
    """How often."""
    json: Path | None = None
    """Where to."""

def run(options):
    if options.what == "negative":
        return 1
    if options.what == "refuse":
        raise ImageError("a.png: expected 8 bits, got 12")
    if options.what == "lines":
        raise ImageError("a.png: expected\\n  8 bits,\\n  got 12")
    if options.what == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    if options.what == "arrow":
        print("a → b")
    if options.what == "missing":
        import no_such_library
    if options.what == "interrupt":
        raise KeyboardInterrupt
    if options.what == "bug":
        raise RuntimeError("a bug keeps its traceback")
    if options.what == "pipe":
        raise BrokenPipeError("of a worker")
    if options.what == "rich":
        from rich.console import Console
        Console().print("a table")
    print("ran", options.times)
    return 0
'''


@pytest.fixture
def commands(tmp_path, monkeypatch):
    (tmp_path / "command_for_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return {
        "do": Command("command_for_test", "Does what it is told."),
        "broken": Command("no_such_module_for_test", "Cannot even be imported."),
    }


@pytest.mark.parametrize(
    ("arguments", "code", "stdout", "stderr"),
    [
        (["do", "--times", "3"], 0, "ran 3\n", ""),
        (["do", "--what", "negative"], 1, "", ""),
        (["do", "--what", "refuse"], 2, "", "tool do: a.png: expected 8 bits, got 12\n"),
        (["do", "--what", "lines"], 2, "", "tool do: a.png: expected 8 bits, got 12\n"),
        (["nothing"], 2, "", "tool: expected one of do, broken, got 'nothing'\n"),
        (["do", "--what", "interrupt"], 130, "", "tool do: interrupted\n"),
    ],
)
def test_exit_codes_and_one_line_errors(commands, capsys, arguments, code, stdout, stderr):
    assert main("tool", commands, arguments) == code
    assert capsys.readouterr() == (stdout, stderr)


@pytest.mark.parametrize(
    ("arguments", "library"),
    [(["do", "--what", "missing"], "no_such_library"), (["broken"], "no_such_module_for_test")],
)
def test_a_missing_library_is_named(commands, capsys, arguments, library):
    assert main("tool", commands, arguments) == 2
    captured = capsys.readouterr().err
    assert f"expected Python package '{library}', which is not installed" in captured and captured.count("\n") == 1


def test_a_missing_library_is_told_with_the_extra_that_brings_it(capsys):
    commands = {"train": Command("no_such_module_for_test", "Trains.", "training")}
    assert main("tool", commands, ["train"]) == 2
    told = "which is not installed: pip install '.[training]' in the source folder of defocus_depth\n"
    assert capsys.readouterr().err.endswith(told)


def test_a_bug_is_not_hidden(commands):
    with pytest.raises(RuntimeError, match="a bug keeps its traceback"):
        main("tool", commands, ["do", "--what", "bug"])


@pytest.mark.parametrize("arguments", [["--help"], ["do", "--help"], ["do"], ["do", "--what", "rich"]])
def test_a_reader_that_has_gone_ends_the_command_silently(commands, tmp_path, arguments):
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from defocus_depth.commands.dispatch import Command, main\n"
        f"sys.exit(main('tool', {{'do': Command('command_for_test', 'Does.')}}, {arguments}))\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run([sys.executable, "-c", program], stdout=gone, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_another_broken_pipe_is_a_bug(commands):
    with pytest.raises(BrokenPipeError, match="of a worker"):
        main("tool", commands, ["do", "--what", "pipe"])


@pytest.mark.parametrize("arguments", [["do", "--times", "many"], ["do", "--no-such-option"]])
def test_bad_usage_is_2(commands, capsys, arguments):
    assert main("tool", commands, arguments) == 2
    assert capsys.readouterr().out == ""


def test_help_lists_commands_and_options(commands, capsys):
    assert main("tool", commands, ["--help"]) == 0
    overview = capsys.readouterr().out
    assert "usage: tool COMMAND" in overview and "Does what it is told." in overview
    assert main("tool", commands, []) == 2
    assert capsys.readouterr().out == overview
    assert main("tool", commands, ["do", "--help"]) == 0
    assert "How often." in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_is(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "2000")  # an option and its text are one line
    assert main("defocus_depth", COMMANDS, [command, "--help"]) == 0
    options = re.findall(r"^\W*(--[\w-]+)(.*)", capsys.readouterr().out, re.MULTILINE)
    assert "--json" in [name for name, _ in options]
    assert not [name for name, rest in options if re.match(r".*?\s{2,}\((default|required)", rest)]


def test_write_json_is_sorted_makes_folders_and_replaces(tmp_path):
    target = tmp_path / "new" / "figures.json"
    write_json(target, {"n": 1})
    write_json(target, {"b": 2.5, "a": [1]})
    assert target.read_text() == '{\n  "a": [\n    1\n  ],\n  "b": 2.5\n}\n'
    assert [path.name for path in target.parent.iterdir()] == ["figures.json"]
    write_json(None, {"a": math.nan})


def test_write_json_refuses_nan_and_keeps_what_was_there(tmp_path):
    target = tmp_path / "figures.json"
    write_json(target, {"a": 1})
    with pytest.raises(ConfigError, match="expected a writable file and finite figures"):
        write_json(target, {"a": math.nan})
    assert json.loads(target.read_text()) == {"a": 1}


def test_write_json_leaves_nothing_behind_where_it_cannot_write(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="folder: expected a writable file"):
        write_json(tmp_path / "folder", {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_help_of_the_executable_imports_no_heavy_library():
    code = (
        "import sys; sys.argv = ['defocus_depth', '--help']\n"
        "from defocus_depth.cli import run\n"
        "try: run()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'numpy', 'torch', 'rclpy', 'cv2', 'tyro', 'matplotlib', 'openvino'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "defocus_depth COMMAND" in done.stdout


def test_commands_say_what_our_packages_note_and_of_other_libraries_only_warnings(tmp_path):
    (tmp_path / "talker.py").write_text(
        "import logging\n"
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Options: ...\n"
        "def run(options):\n"
        "    absent = 'defocus_depth.inference.backends.absent'\n"
        "    for name in ('defocus_depth.a', 'defocus_training.b', absent, 'other'):\n"
        "        logging.getLogger(name).info('info of %s', name)\n"
        "        logging.getLogger(name).warning('warning of %s', name)\n"
        "    return 0\n"
    )
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from defocus_depth.commands.dispatch import Command, main\n"
        "sys.exit(main('p', {'talk': Command('talker', 'Talks.')}, ['talk']))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr
    assert "INFO defocus_depth.a: info of" in said and "INFO defocus_training.b: info of" in said, said
    assert "WARNING other: warning of other" in said and "info of other" not in said
    assert "info of defocus_depth.inference.backends.absent" not in said
    assert "warning of defocus_depth.inference.backends.absent" in said


def test_a_place_for_the_outcome_that_is_none_is_told_before_the_work(commands, capsys, tmp_path):
    (tmp_path / "file").touch()
    for path, expected in ((tmp_path, "expected a file's name, got a folder"), (tmp_path / "file" / "x", "a place to")):
        assert main("tool", commands, ["do", "--json", str(path)]) == 2
        said = capsys.readouterr()
        assert said.out == "" and expected in said.err
    assert main("tool", commands, ["do", "--json", str(tmp_path / "new" / "x")]) == 0
    assert not (tmp_path / "new").exists()


def started(tmp_path, what, stdout: Any = subprocess.PIPE, **environment):
    """The command as a process of its own."""
    table = "{'do': Command('command_for_test', '')}"
    text = f"""
import sys
from typing import Any
from defocus_depth.commands.dispatch import Command, main
sys.exit(main('tool', {table}, ['do', '--what', {what!r}]))
"""
    around = {**os.environ, "PYTHONPATH": str(tmp_path), **environment}
    return subprocess.Popen([sys.executable, "-c", text], env=around, stdout=stdout, stderr=subprocess.PIPE)


def test_sigterm_ends_a_command_as_ctrl_c_does(commands, tmp_path):
    process = started(tmp_path, "wait")
    assert process.stdout is not None and process.stdout.readline() == b"waiting\n"
    process.terminate()
    assert process.communicate(timeout=60)[1] == b"tool do: interrupted\n" and process.returncode == 130


def test_the_handler_of_sigterm_is_put_back(commands):
    before = signal.getsignal(signal.SIGTERM)
    assert main("tool", commands, ["do"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_encoding_without_our_signs_costs_no_work(commands, tmp_path):
    process = started(tmp_path, "arrow", PYTHONIOENCODING="ascii")
    assert process.communicate(timeout=60) == (b"a ? b\nran 1\n", b"") and process.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_an_output_that_is_full_is_told_in_one_line(commands, tmp_path):
    with open("/dev/full", "wb") as full:
        process = started(tmp_path, "fine", stdout=full)
        errors = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 2 and errors.startswith("tool: expected an output that can be written, got ")
    assert errors.count("\n") == 1


def test_a_process_without_stdout_does_its_work(commands, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main("tool", commands, ["do"]) == 0
