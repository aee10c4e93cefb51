"""A class is graded whatever its submissions do: each in a process of its own, which is ended with all that it started."""

import csv
import json
import os
import re
import signal
import socket
import tempfile
import zipfile
from pathlib import Path

import pytest
from support.processes import processes, run, wait_for
from support.submissions import hand_in, read_submissions

from softjax import InputError, cli
from softjax.cs231n.classroom.limits import Limits
from softjax.cs231n.classroom.python2 import modernize
from softjax.cs231n.classroom.report import count_mistakes, describe
from softjax.cs231n.classroom.run import grade_class
from softjax.cs231n.classroom.submissions import collect

RIGHT = """
import numpy as np
from softjax.cs231n import softmax_loss_vectorized as right
first = [True]

def softmax_loss_naive(W, X, y, reg):
    {}
    return right(W, X, y, reg)
"""
NOT_THROUGH = "it does not come to an end: stopped after 3 s"
# What a submission does before it returns the right answer, and what is found; "" where it passes all the same.
HOSTILE = {
    "loop": ("while True: pass", NOT_THROUGH),
    "loop_that_catches_all": ("exec('while True:\\n  try:\\n    while True: pass\\n  except BaseException: pass')", NOT_THROUGH),
    "deaf": ("import signal; [signal.signal(n, signal.SIG_IGN) for n in (2, 15, 14, 24)]\n    while True: pass", NOT_THROUGH),
    "sleeper": ("import time; time.sleep(1e6)", NOT_THROUGH),
    "stopped": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)\n    while True: pass", NOT_THROUGH),
    "flood": ("while True: print('x' * 10**6)", NOT_THROUGH),
    "flood_of_bytes": ("import os\n    while True: os.write(1, b'x' * 10**6); os.write(2, b'x' * 10**6)", NOT_THROUGH),
    "prints": ("import os, sys; print('x' * 10**7); os.write(1, b'x' * 10**7); os.write(2, b'x' * 10**7); sys.stderr.write('x' * 10**7)", ""),
    "exit": ("import sys; sys.exit(0)", "raises SystemExit"),
    "quit": ("import builtins; raise SystemExit", "raises SystemExit"),
    "os_exit": ("import os; os._exit(0)", "its process ended itself with exit code 0"),
    "crash": ("import ctypes; ctypes.string_at(0)", "its process was ended by SIG"),
    "interrupt": ("raise KeyboardInterrupt", "raises KeyboardInterrupt"),
    "strange": ("raise type('Strange', (BaseException,), {})('x')", "raises Strange"),
    "forks": ("import os, time\n    if first and first.pop() and os.fork() == 0: time.sleep(1e6)", ""),
    "forked_answers": ("import os; first and first.pop() and os.fork()", ""),
    "daemon": ("import os, time\n    if first and first.pop() and os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0: time.sleep(1e6)\n        os._exit(0)", ""),
    "bomb": ("import os\n    while True: os.fork()", "it"),
    "subprocess": ("import subprocess; first and first.pop() and subprocess.Popen(['sleep', '1000'], start_new_session=True)", ""),
    "thread": ("import threading, time; first and first.pop() and threading.Thread(target=time.sleep, args=(1e6,)).start()", ""),
    "memory": ("kept = []\n    while True: kept.append(np.empty(10**7))", "MemoryError"),
    "large_array": ("np.ones((10**5, 10**5))", "raises _ArrayMemoryError|raises ArrayMemoryError|raises MemoryError"),
    "large_file": ("with open('file', 'wb') as file:\n        while True: file.write(b'x' * 10**6)", "File too large"),
    "recursion": ("def f(): return f()\n    f()", "raises RecursionError"),
    "closed": ("import os; os.closerange(3, 100)", "its process could not hand over its grade"),
    "asks": ("input('your name: ')", "raises EOFError"),
    "no_file": ("open('weights.npy')", "raises FileNotFoundError"),
    "other_folder": ("import os; os.chdir('/')", ""),
    "forger": ("import sys; sys.stdout.write('{\"grade\": 1}')", ""),
}  # fmt: skip
HOSTILE_FILES = {
    "no_module": ("import nothing_of_that_name\ndef softmax_loss_naive(W): pass", "its file raises ModuleNotFoundError in line 1"),
    "no_name": ("from numpy import nothing\ndef softmax_loss_naive(W): pass", "its file raises ImportError in line 1"),
    "syntax": ("def softmax_loss_naive(W, X, y, reg)\n  return", "its file raises SyntaxError"),
    "loop_in_the_file": ("while True: pass\ndef softmax_loss_naive(W): pass", NOT_THROUGH),
    "exit_in_the_file": ("exit()\ndef softmax_loss_naive(W): pass", "its file raises"),
    "zeros": ("\0\0\0\ndef softmax_loss_naive(W): pass", "its file raises"),
    "bytes": ("# \udcff\ndef softmax_loss_naive(W, X, y, reg): raise NotImplementedError", "raises NotImplementedError"),
    "condition": ("if False:\n  def softmax_loss_naive(W): pass", "does not define softmax_loss_naive once it is imported"),
    "no_function": ("softmax_loss_naive = 3", "softmax_loss_naive is no function, but int"),
    "nothing": ("pass", "it defines neither softmax_loss_naive nor softmax_loss_vectorized"),
    "empty": ("", "it defines neither"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Copies of submissions lie in a folder of the test, which tells the processes that run there."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list_processes(folder)
    assert not list(folder.iterdir())


def list_processes(folder):
    """The processes whose working directory lies, or lay, in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = os.readlink(process / "cwd")
        except OSError:
            continue
        if here.startswith(str(folder)):
            found.append(process.name)
    return found


def grade_folder(folder, *functions, **options):
    with collect([folder]) as submissions:
        return grade_class(submissions, *functions, **options)


def texts(graded):
    return [str(fault) for result in graded.results for fault in result.grade.faults]


@pytest.mark.slow
@pytest.mark.parametrize("namespaces", [True, pytest.param(False, marks=pytest.mark.experiment)])
def test_hostile_submissions_are_ended_and_cleaned_up(tmp_path, scratch, namespaces):
    folder = tmp_path / "class"
    folder.mkdir()
    for name, (line, _) in HOSTILE.items():
        (folder / f"{name}.py").write_text(RIGHT.format(line))
    for name, (source, _) in HOSTILE_FILES.items():
        (folder / f"{name}.py").write_bytes(source.encode("utf-8", "surrogateescape"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    limits = Limits(seconds=3.0, memory=1500, namespaces=namespaces)
    result = grade_folder(folder, limits=limits, at_once=6)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    expected = {name: phrase for name, (_, phrase) in (HOSTILE | HOSTILE_FILES).items()}
    assert len(result.submissions) == len(expected)
    missed = []
    for graded in result.submissions:
        phrase, found = expected[graded.name], texts(graded)
        right = (
            any(part in found[0] for part in phrase.split("|")) if phrase and found else not (phrase or found)
        )
        missed += [] if right else [describe(graded)]
        assert len(describe(graded).split("\n")) == 1
    assert missed == []
    assert result.held.time
    assert result.held.memory
    assert result.held.files
    assert result.held.processes
    assert not result.held.network or namespaces
    [forks] = [graded for graded in result.submissions if graded.name == "forks"]
    assert "it starts other processes, which are ended with it" in str(forks.results[0].grade)


def test_the_network_is_out_of_reach_where_the_report_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        file = tmp_path / "caller.py"
        file.write_text(
            RIGHT.format(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2).close()")
        )
        result = grade_folder(file)
    assert result.passed != result.held.network


def test_a_submission_runs_in_a_copy_with_its_own_files_and_without_the_teacher_s_variables(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("SECRET", "x")
    (tmp_path / "class").mkdir()
    file = tmp_path / "class" / "mine.py"
    file.write_text(
        RIGHT.format(
            "import os, helper; open('new', 'w').close(); assert helper.here and 'SECRET' not in os.environ"
        )
    )
    (tmp_path / "class" / "helper.py").write_text("here = True\n")
    result = grade_folder(file)
    assert result.passed, describe(result.submissions[0])
    assert sorted(path.name for path in (tmp_path / "class").iterdir()) == ["helper.py", "mine.py"]


def test_the_end_of_the_grader_is_the_end_of_what_it_runs(tmp_path, scratch):
    (tmp_path / "loop.py").write_text(RIGHT.format("open('begun', 'w').close()\n    while True: pass"))
    with processes() as start:
        grader = start(
            "-m", "softjax", "grade", "loop.py", cwd=tmp_path, env=os.environ | {"TMPDIR": str(scratch)}
        )
        wait_for(lambda: bool(list(scratch.glob("*/begun"))), grader)
        grader.send_signal(signal.SIGINT)
        assert grader.wait() == 128 + signal.SIGINT
        wait_for(lambda: not list_processes(scratch))
    with processes() as start:
        grader = start(
            "-m", "softjax", "grade", "loop.py", cwd=tmp_path, env=os.environ | {"TMPDIR": str(scratch)}
        )
        wait_for(lambda: bool(list(scratch.glob("*/begun"))), grader)
        grader.kill()
        wait_for(lambda: not list_processes(scratch))
    for left in scratch.glob("*/*"):  # of a process that was killed nothing cleans up
        left.unlink()
    for left in scratch.iterdir():
        left.rmdir()


@pytest.mark.slow
def test_a_class_is_graded_as_its_submissions_deserve(tmp_path):
    """A class of ten, and submissions in Python 2."""
    written = read_submissions("ten", "old")
    folder = tmp_path / "class"
    folder.mkdir()
    hand_in(folder, written)
    result = grade_folder(folder)
    expected = {each.name: each.expected for each in written}
    assert [graded.name for graded in result.submissions] == sorted(expected)
    for graded in result.submissions:
        phrases, found = expected[graded.name], texts(graded)
        if phrases[0] == "passed":
            assert graded.passed, found
            report = "\n".join(str(each.grade) for each in graded.results)
            assert all(phrase in report for phrase in phrases[1:]), report
        else:
            assert all(any(phrase in text for text in found) for phrase in phrases), found
            assert all(any(phrase in text for phrase in phrases) for text in found), found
    counted = {mistake.text: mistake.names for mistake in count_mistakes(result.submissions)}
    [many] = [names for text, names in counted.items() if text.startswith("gradient: N times too large")]
    assert many == ("chen", "dora")
    assert counted["raises NameError"] == ("ivan",)
    assert list(counted.values()) == sorted(counted.values(), key=len, reverse=True)


def grade_here(*arguments):
    """The exit code of the command in this process."""
    return cli.main(["grade", *map(str, arguments)])


@pytest.fixture
def two(tmp_path):
    """A class of two, one of which passes."""
    folder = tmp_path / "class"
    folder.mkdir()
    hand_in(folder, [each for each in read_submissions("ten") if each.name in ("fatima", "jun")])
    return folder


def test_the_command_prints_a_line_for_each_and_says_by_its_code_whether_all_passed(two, capsys):
    assert grade_here(two / "fatima.py") == 0
    assert capsys.readouterr().out.startswith("fatima: softmax_loss_naive passed\n1 of 1 passed, in ")
    assert grade_here(two) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "fatima: softmax_loss_naive passed"
    assert printed[1].startswith("jun: softmax_loss_vectorized WRONG (gradient: the number of the label")
    assert printed[2].startswith("1 of 2 passed")
    assert printed[3].startswith("limits on: time")
    assert grade_here(two / "fatima.py", "--function", "softmax_loss_vectorized") == 1
    assert "it does not define softmax_loss_vectorized" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no submissions are named"),
        (["nowhere"], "no such file or folder: nowhere"),
        (["empty"], "empty holds no submission"),
        (["text.txt"], "text.txt is no Python file, no folder and no zip"),
        (["a.py", "--json", "a.py"], "a.py is a submission, no file to write to"),
        (["a.py", "--csv", "x", "y"], "one file at most"),
        (["a.py", "--json", "--csv"], "only one of --json and --csv can go to standard output"),
        (["a.py", "--limit", "0"], "limit must be a positive number of seconds"),
        (["a.py", "--memory", "1"], "memory must be a whole number of at least 256"),
        (["a.py", "--at-once", "0"], "at_once must be a whole number of at least 1"),
        (["a.py", "--function", "f()"], "function must be the name of a function or class"),
        (["a.py", "--out", "full"], "full exists; give --overwrite"),
        (["a.py", "b.py", "--gradescope", "x"], "--gradescope takes one submission, got 2"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "full"):
        Path(name).mkdir()
    for name in ("a.py", "b.py", "text.txt", "full/run.json"):
        Path(name).write_text("")
    assert grade_here(*words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_all_is_written_as_it_is_asked_for(two, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert grade_here(two, "--out", "report", "--json", "all.json", "--csv") == 1
    shown = capsys.readouterr()
    rows = list(csv.DictReader(shown.out.splitlines()))
    assert [(row["name"], row["file"], row["passed"], row["wrong"]) for row in rows] == [
        ("fatima", "fatima.py", "True", "0"),
        ("jun", "jun.py", "False", "1"),
    ]
    assert "fatima: softmax_loss_naive passed" in shown.err
    kept = json.loads(Path("all.json").read_text())
    assert [each["passed"] for each in kept["submissions"]] == [True, False]
    text = Path("report", "README.md").read_text()
    assert "**1 of 2** submissions passed." in text
    assert "| gradient: the number of the label is subtracted" in text
    assert "[jun](students/jun.md)" in text
    assert "no sandbox" in text
    page = Path("report", "students", "jun.md").read_text()
    assert "p[np.arange(N), y] -= 1" in page
    assert "fatima" not in page
    with Path("report", "mistakes.csv").open() as file:
        assert [row["names"] for row in csv.DictReader(file)] == ["jun"]
    assert grade_here(two, "--out", "report", "--overwrite") == 1
    assert grade_here(two, "--json") == 1
    assert json.loads(capsys.readouterr().out.split("README.md\n")[-1])["passed"] is False


def test_gradescope_gets_a_point_for_each_function_that_passed(tmp_path, capsys):
    folder = tmp_path / "submission"
    folder.mkdir()
    hand_in(folder, [each for each in read_submissions("ten") if each.name in ("chen", "fatima")])
    assert grade_here(folder, "--gradescope", tmp_path / "results.json") == 1
    result = json.loads((tmp_path / "results.json").read_text())
    assert set(result) == {"score", "execution_time", "output", "output_format", "visibility", "tests"}
    assert result["score"] == 1.0
    assert isinstance(result["execution_time"], int)
    assert [(test["name"], test["score"], test["max_score"], test["status"]) for test in result["tests"]] == [
        ("softmax_loss_naive", 1.0, 1.0, "passed"),
        ("softmax_loss_vectorized", 0.0, 1.0, "failed"),
    ]
    assert "N times too large" in result["tests"][1]["output"]


# Which submissions there are


def make_zip(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def list_found(*paths, **options):
    with collect(paths, **options) as submissions:
        return {each.name: sorted(inside for _, inside in each.files) for each in submissions}


def test_submissions_are_found_as_course_systems_export_them(tmp_path):
    source = "def softmax_loss_naive(W, X, y, reg): pass\n"
    export = tmp_path / "export"
    for name in ("Ann_1_assignsubmission_file_/softmax.py", "bob/cs231n/classifiers/softmax.py", "bob/.git/x.py",
                 "bob/notes.txt", "dan.py", "__pycache__/x.py", "eve_LATE_12_34_softmax-1.py", "eve_LATE_12_34_util.py"):  # fmt: skip
        (export / name).parent.mkdir(parents=True, exist_ok=True)
        (export / name).write_text(source)
    make_zip(
        export / "carl_56_78_work.zip",
        **{"a1/cs231n/classifiers/softmax.py": source, "__MACOSX/x.py": source},
    )
    (export / "fay").mkdir()
    make_zip(export / "fay" / "work.zip", **{"../../softmax.py": source})
    (export / "gus_1_2_work.zip").write_bytes(b"no zip")
    expected = {
        "Ann_1_assignsubmission_file_": ["softmax.py"],
        "bob": ["cs231n/classifiers/softmax.py", "notes.txt"],
        "carl_56_78": ["cs231n/classifiers/softmax.py"],
        "dan": ["dan.py", "eve_LATE_12_34_softmax-1.py", "eve_LATE_12_34_util.py"],
        "eve_LATE_12_34": ["softmax.py", "util.py"],
        "fay": ["softmax.py"],
        "gus_1_2": [],
    }
    assert list_found(export) == expected
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in export.rglob("*"):
            archive.write(path, path.relative_to(tmp_path))
    assert list_found(tmp_path / "export.zip") == expected
    assert list_found(export / "bob") == {"bob": expected["bob"]}
    assert list(list_found(export, whole=True)) == ["export"]
    assert list(list_found(export / "dan.py", export / "bob")) == ["dan", "bob"]


def test_submissions_of_one_name_are_told_apart(tmp_path):
    for who in ("ann", "bob"):
        (tmp_path / who).mkdir()
        (tmp_path / who / "softmax.py").write_text("")
    files = [tmp_path / who / "softmax.py" for who in ("ann", "bob", "bob")]
    assert list(list_found(*files)) == ["ann/softmax", "bob/softmax (1)", "bob/softmax (2)"]


def test_a_zip_that_cannot_be_read_is_an_error_alone_and_a_finding_in_a_class(tmp_path):
    make_zip(tmp_path / "good.zip", **{"softmax.py": "x" * 1000})
    content = bytearray((tmp_path / "good.zip").read_bytes())
    content[40:60] = b"\0" * 20
    folder = tmp_path / "class"
    folder.mkdir()
    for path in (tmp_path / "bad.zip", folder / "bad.zip"):
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad.zip: the zip cannot be read"):
        list_found(tmp_path / "bad.zip")
    result = grade_folder(folder)
    assert "the zip cannot be read" in texts(result.submissions[0])[0]


def test_the_file_of_the_course_s_folder_is_graded_with_what_it_imports(tmp_path):
    """The course's own files need not be handed in."""
    right = next(each for each in read_submissions("loops") if each.name == "right_loops").source
    folder = tmp_path / "ann" / "cs231n" / "classifiers"
    folder.mkdir(parents=True)
    (folder / "softmax.py").write_text(
        "from builtins import range\nfrom cs231n.classifiers.linear_svm import *\nfrom ..gradient_check import *\n"
        "from .helper import here\nimport cs231n.data_utils\n" + right
    )
    (folder / "helper.py").write_text("here = svm_loss_naive = 3\nprint 'here'\n")
    (tmp_path / "ann" / "softmax_old.py").write_text("def softmax_loss_naive(W, X, y, reg): return None\n")
    result = grade_folder(tmp_path / "ann")
    assert result.passed, describe(result.submissions[0])
    assert result.submissions[0].results[0].file == "cs231n/classifiers/softmax.py"


# Python 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("print 'a'", "print('a')"),
        ("print 'a', b, # c", "print('a', b), # c"),
        ("if x: print 'a' % (1,\n  2); y = 1", "if x: print('a' % (1,\n  2)); y = 1"),
        ("print >>f, 'a'", "print >>f, 'a'"),  # Python 3 reads it
        ("print >>f, 'a'; print 'b'", "print(f, 'a'); print('b')"),
        ("print\nprint 1", "print\nprint(1)"),
        ("print('a')\nprint ('b'), 'c'\nx = print", "print('a')\nprint ('b'), 'c'\nx = print"),
        ("s = \"print 'a'\"\nprint s", "s = \"print 'a'\"\nprint(s)"),
        ("if x:\n\ty\n        z", "if x:\n        y\n        z"),
        ("def f(:", "def f(:"),
        ("print", "print"),
        ("print (", "print ("),
    ],
)
def test_print_statements_and_tabs_become_what_python_3_reads(source, expected):
    assert modernize(source)[0] == expected


def test_what_grades_needs_no_jax():
    done = run(
        "-c",
        "import sys, softjax.cs231n.classroom.supervisor; assert not {'jax', 'scipy'} & set(sys.modules)",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_guide_shows_the_report_of_the_class_of_ten(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    hand_in(folder, read_submissions("ten"))
    assert grade_here(folder, "--out", tmp_path / "report") == 1
    report = (tmp_path / "report" / "README.md").read_text()
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "teaching.md").read_text()
    for line in report[report.index("## Mistakes") : report.index("## How it was run")].splitlines():
        assert re.sub(r"\[(\w+)\]\(students/\w+\.md\)", r"\1", line) in guide, line
