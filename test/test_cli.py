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
