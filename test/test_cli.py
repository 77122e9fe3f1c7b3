# SPDX-License-Identifier: Apache-2.0
"""The frame of `effocc`: exit codes, one-line errors, nothing loaded too early."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from effocc_ros import __version__, cli
from effocc_ros.errors import InputError


@pytest.fixture
def verb(monkeypatch):
    """Return a function that installs one verb `work` whose run is the given function."""

    def install(run):
        def register(subparsers):
            parser = subparsers.add_parser("work")
            parser.add_argument("--speed", type=int, default=3)
            parser.set_defaults(run=run)

        monkeypatch.setitem(sys.modules, "work_module", SimpleNamespace(register=register))
        monkeypatch.setattr(cli, "VERBS", {"work": cli.Verb("work_module", "works")})

    return install


def fail(error):
    def run(arguments):
        raise error

    return run


def test_a_verb_gets_its_arguments_and_gives_the_exit_code(verb):
    verb(lambda arguments: arguments.speed)
    assert cli.main(["work", "--speed", "7"]) == 7


def test_a_verb_that_returns_nothing_exits_with_0(verb):
    verb(lambda arguments: None)
    assert cli.main(["work"]) == 0


def test_bad_input_is_one_line_on_stderr_and_exit_code_2(verb, capsys):
    verb(fail(InputError("a.mcap", found="a text\nof two lines", expected="a bag", do="Give one")))
    assert cli.main(["work"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "effocc work: a.mcap: found a text of two lines; expected a bag. Give one.\n"


def test_an_interrupt_exits_with_130(verb):
    verb(fail(KeyboardInterrupt()))
    assert cli.main(["work"]) == 130


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/a/b.png"), "/a/b.png: Permission denied"),
        (FileExistsError(17, "File exists", "/a"), "/a: File exists"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(18, "Invalid cross-device link", "/a", None, "/b"), "/a: /b: Invalid cross-"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_with_its_name(verb, capsys, error, said):
    verb(fail(error))
    assert cli.main(["work"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"effocc work: {said}")
    assert err.count("\n") == 1


def test_a_package_that_is_not_installed_is_one_line_that_says_how_to_get_it(tmp_path):
    code = (
        "import sys; sys.modules['embreex'] = None; from effocc_ros import cli\n"
        f"sys.exit(cli.main(['simulate', '--out', {str(tmp_path / 'bag')!r}]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr == "effocc simulate: needs embreex: python -m pip install embreex\n"


def test_a_module_of_our_own_that_is_not_there_is_no_bad_input(verb):
    verb(fail(ModuleNotFoundError("no effocc_ros.msg", name="effocc_ros.msg")))
    with pytest.raises(ModuleNotFoundError):
        cli.main(["work"])


def test_nobody_reading_the_output_is_no_error():
    code = (
        "import sys; from types import SimpleNamespace; from effocc_ros import cli\n"
        "def register(s): s.add_parser('work').set_defaults(run=lambda a: print('x' * 10**6))\n"
        "sys.modules['m'] = SimpleNamespace(register=register)\n"
        "cli.VERBS['work'] = cli.Verb('m', 'works')\n"
        "sys.exit(cli.main(['work']))"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_any_other_error_keeps_its_traceback(verb):
    verb(fail(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["work"])


def test_an_unknown_verb_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["fly"])
    assert exit_.value.code == 2
    assert "nuscenes2bag" in capsys.readouterr().err


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"effocc_ros {__version__}\n"


def test_help_names_every_verb_and_loads_neither_torch_nor_numpy():
    code = (
        "import sys; from effocc_ros.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('loaded', *{'torch', 'numpy', 'cv2'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert set(cli.VERBS) <= set(out.split())
    assert out.endswith("loaded\n")
