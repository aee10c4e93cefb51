"""The command line does what it says, and says in one line why it does not."""

import importlib
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from support.once import compute_once
from support.processes import LIMIT, processes, run, wait_for

import softjax
from softjax import cli
from softjax.cli import advice, surroundings
from softjax.cli.interrupt import handle_signals
from softjax.objective import gradient
from softjax.reports import sweep as reports

pytestmark = pytest.mark.usefixtures("without_pictures")  # within this process
ROOT = Path(__file__).parents[2]
SMALL = ["--learning-rates", "0.01,0.1", "--regs", "0.01", "--num-iters", "20"]


def test_a_sweep_writes_its_report_and_prints_the_best_cells(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", *SMALL]) == 0
    printed = capsys.readouterr().out
    assert "validation accuracy" in printed
    assert printed.endswith("report: runs/digits-001/README.md\n")
    text = (tmp_path / "runs" / "digits-001" / "README.md").read_text()
    assert "    softjax sweep --learning-rates 0.01,0.1 --regs 0.01 --num-iters 20\n" in text


def test_a_path_to_convergence_writes_its_report_and_prints_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", "--converge", "--regs", "0.1,1", "--tolerance", "1e-4"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("reg  objective  train accuracy")
    assert printed.endswith("report: runs/digits-001/README.md\n")
    text = (tmp_path / "runs" / "digits-001" / "README.md").read_text()
    assert "    softjax sweep --converge --regs 0.1,1 --tolerance 1e-4\n" in text


@pytest.mark.slow
def test_a_sweep_in_a_process_of_its_own(tmp_path):
    done = run("-m", "softjax", "sweep", *SMALL, "--out", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine" / "README.md").is_file()
    for picture in ("heat_map", "loss_curves", "templates", "confusion_matrix"):
        assert (tmp_path / "mine" / f"{picture}.png").stat().st_size > 1000
    assert "\r" not in done.stderr  # no progress bar unless on a terminal


@pytest.mark.slow
def test_the_check_passes_on_the_digits():
    done = run("-m", "softjax", "check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("gradient check: RIGHT (float64, 650 entries)") == 2
    assert done.stdout.count("params[") == 20 + 2
    assert done.stdout.endswith("passed\n")


@pytest.mark.usefixtures("own_messages")
def test_the_check_fails_on_a_wrong_gradient(monkeypatch, capsys):
    right = gradient.loss_and_grad

    def wrong(*arguments, **options):
        value, grad = right(*arguments, **options)
        return value, grad * 1.001

    monkeypatch.setattr(gradient, "loss_and_grad", wrong)
    assert cli.main(["check", "--num-checks", "2", "--regs", "0,50"]) == 1
    printed = capsys.readouterr().out
    assert "the claim is 1.001 times the gradient" in printed
    assert printed.endswith("FAILED at reg 0, reg 50\n")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "my_gradients.py").write_text(
        "import numpy as np\n"
        "def loss(w, X, reg): return np.sum(np.sin(X @ w)) + reg * np.sum(w ** 2)\n"
        "def grad(w, X, reg): return X.T @ np.cos(X @ w) + 2 * reg * w\n"
        "def wrong(w, X, reg): return X.T @ np.cos(X @ w)\n"
        "def broken(w, X, reg):\n    return w.nonsense\n"
        "def inputs(): return np.arange(3.0), np.eye(3), 0.5\n"
        "point = inputs()\n"
    )
    np.savez(tmp_path / "data.npz", w=np.arange(3.0), X=np.eye(3), reg=0.5)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("mine", "own_messages")
@pytest.mark.parametrize("inputs", ["data.npz", "my_gradients:inputs", "my_gradients:point"])
def test_a_gradient_of_one_s_own_is_checked(capsys, inputs):
    own = ["check", "--function", "my_gradients:loss", "--inputs", inputs]
    assert cli.main([*own, "--gradient", "my_gradients:grad"]) == 0
    assert "RIGHT (float64, 3 entries)" in capsys.readouterr().out
    assert cli.main([*own, "--gradient", "my_gradients:wrong"]) == 1
    assert "a penalty 0.5 Σw²" in capsys.readouterr().out


@pytest.mark.usefixtures("mine", "own_messages")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient": None}, "function, gradient and inputs go together"),
        ({"gradient": "my_gradients"}, "'my_gradients' names no object: expected package.module:name"),
        ({"gradient": "my_gradients:nothing"}, "my_gradients:nothing cannot be imported"),
        ({"function": "nowhere:loss"}, "nowhere:loss cannot be imported: No module named 'nowhere'"),
        ({"inputs": "nowhere.npz"}, "no such file: nowhere.npz"),
        ({"inputs": "my_gradients:np"}, r"my_gradients:np must give a tuple (params, *args), got module"),
        (
            {"function": "my_gradients:grad"},
            "my_gradients:grad cannot be checked: fun must return one scalar",
        ),
        ({"function": "my_gradients:broken"}, "no attribute 'nonsense' (my_gradients.py, line 6)"),
    ],
)
def test_what_cannot_be_checked_ends_with_one_line(capsys, options, message):
    own = {"function": "my_gradients:loss", "gradient": "my_gradients:grad", "inputs": "data.npz"} | options
    arguments = [part for name, value in own.items() if value for part in (f"--{name}", value)]
    assert cli.main(["check", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_version_and_help(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"softjax {softjax.__version__}\n"
    for arguments, words in ((["--help"], ("sweep", "check")), (["sweep", "--help"], ("--regs", "Examples"))):
        with pytest.raises(SystemExit) as ending:
            cli.main(arguments)
        assert ending.value.code == 0
        printed = capsys.readouterr().out
        assert all(word in printed for word in words)


def test_a_reader_who_stops_reading_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "softjax", "sweep", "--help"]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=LIMIT, check=False
    )
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_help_does_not_import_jax():
    code = (
        "import sys; from softjax.cli.parse import parse; parse(['sweep']); assert 'jax' not in sys.modules"
    )
    assert run("-c", code).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rates", "-1,2"], "learning_rates must be finite and positive, got -1.0"),
        (["--learning-rates=nan"], "learning_rates must be finite and positive, got nan"),
        (["--learning-rates", "1:2"], "'1:2' is no range: expected start:stop:count"),
        (["--regs", "1:2:0"], "the count of '1:2:0' must be from 1 to 100000, got 0"),
        (["--regs", "0:1:1000000000000"], "must be from 1 to 100000"),
        (["--num-seeds", "1e10"], "num_seeds must be at most 2147483647"),
        (["--num-iters", "1e12"], "num_iters must be at most 2147483647, as JAX counts with 32 bits"),
        (["--halvings", "1e11"], "halvings must be at most"),
        (["mine.npz"], "'mine.npz' is no option: a data set is given as --dataset mine.npz"),
        (["--batch-size", "2e9"], "GB of it for a minibatch"),
        (["--num-seeds", "1e8"], "checkpoints and report need about"),
        (["--dataset", "synthetic", "--num-examples", "2e9"], "GB of it for features"),
        (["--converge", "--regs", "1:2:100000", "--dataset", "synthetic"], "GB of it for"),
        (["--out", "/"], "/ cannot be the folder of a report"),
        (["--data-parallel", "2"], "data_parallel is the number of devices"),
        (["--num-iters", "0"], "num_iters must be a whole number of at least 1, got 0"),
        (["--dataset", "mnist"], "unknown dataset 'mnist'"),
        (["--dataset", "nowhere.npz"], "no such file: nowhere.npz"),
        (
            ["--dataset", "table.csv"],
            "which column of a, b holds the labels? name it as label; give --label COLUMN",
        ),
        (["--dataset", "table.csv", "--label", "b"], "column 'a' of table.csv holds text ('x')"),
        (["--label", "b"], "label names columns of a table of your own"),
        (["--dataset", "cifar10", "--data-dir", "nowhere"], "nowhere holds no CIFAR-10"),
        (["--data-dir", "nowhere"], "data_dir is for the dataset cifar10"),
        (["--out", "taken"], "taken exists; give --overwrite"),
        (["--out", "."], ". exists; give --overwrite"),
        (["--out", "foreign", "--overwrite"], "foreign holds no report of softjax"),
        (["--chunk-size", "0"], "chunk_size must be a whole number of at least 1, got 0"),
        (["--halvings", "9"], "halvings must be at most 6"),
        (["--optimizer", "adamw", "--penalty", "l1"], "adamw uses reg as weight decay"),
        (["--search", "log_uniform", "--regs", "0,1"], "log_uniform needs positive regs"),
        (["--converge", "--kind", "hinge"], "to converge, kind must be softmax"),
        (["--converge", "--penalty", "l1"], "to converge, penalty must be l2, half_l2 or none"),
        (["--converge", "--tolerance", "2"], "tolerance must lie between 0 and 1, got 2.0"),
        (["--converge", "--num-iters", "10"], "--num-iters has no effect with --converge"),
        (["--converge", "--learning-rates", "1"], "--learning-rates has no effect with --converge"),
        (["--converge", "--optimizer", "adam"], "--optimizer has no effect with --converge"),
        (["--tolerance", "1e-3"], "--tolerance has no effect without --converge"),
        (["--max-passes", "9"], "--max-passes has no effect without --converge"),
        (["--momentum", "0.5"], "momentum is for momentum, nesterov, adam and adamw; the optimizer is sgd"),
        (["--heartbeat", "9"], "heartbeat is for a distributed sweep; give --distributed too"),
        (["--converge", "--out", "taken"], "taken exists; give --overwrite"),
        (["--checkpoint-every", "-1"], "checkpoint_every must be zero or positive, got -1.0"),
        (["--learning-rates", "1e30", "--num-iters", "20"], "every configuration diverged"),
    ],
)
@pytest.mark.usefixtures("own_messages")
def test_bad_input_ends_with_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    for folder, file in (("taken", "run.json"), ("foreign", "thesis.tex")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()
    (tmp_path / "table.csv").write_text("a,b\nx,1\ny,2\n")
    assert cli.main(["sweep", *arguments]) == 2
    last = capsys.readouterr().err.rstrip("\n").split("\n")[-1]
    assert last.startswith("softjax: error: ")
    assert message in last
    assert not list(tmp_path.glob("runs/*"))


def test_help_fits_a_screen_and_is_silent_where_there_is_nothing_to_say(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in (["--help"], ["sweep", "--help"], ["check", "--help"], ["compare", "--help"]):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        lines = capsys.readouterr().out.splitlines()
        assert not re.search(r"default: (None|False|)\)", "".join(lines))
        assert max(len(line) for line in lines if not line.startswith("  ")) <= 80  # examples are as they are
        assert arguments != ["--help"] or len(lines) <= 24


@pytest.mark.parametrize(
    "arguments",
    [[], ["train"], ["sweep", "--nonsense"], ["sweep", "--num-iters", "many"], ["sweep", "--out", ""]],
)
def test_usage_errors_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ending:
        cli.main(arguments)
    assert ending.value.code == 2
    assert capsys.readouterr().err


@pytest.mark.usefixtures("own_messages")
@pytest.mark.parametrize("fault", ["nan", "labels"])
def test_unusable_arrays_end_with_one_line(tmp_path, capsys, fault):
    X, y = np.random.default_rng(0).normal(size=(100, 3)), np.arange(100) % 2
    X, y = (np.where(X > 2, np.nan, X), y) if fault == "nan" else (X, y + 0.5)
    np.savez(tmp_path / "own.npz", X=X, y=y)
    assert cli.main(["sweep", "--dataset", str(tmp_path / "own.npz"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert (
        "must be finite"
        if fault == "nan"
        else "y holds 0.5 in row 0, but labels must be text, whole numbers or booleans"
    ) in error


def test_a_malicious_batch_ends_with_one_line_and_runs_nothing(tmp_path):
    victim = tmp_path / "victim"

    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(victim),)

    layout = tmp_path / "cifar-10-batches-py"
    layout.mkdir()
    for batch in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (layout / batch).write_bytes(pickle.dumps(Harmful(), 2))
    done = run("-m", "softjax", "check", "--dataset", "cifar10", "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "asks for posix.mkdir" in done.stderr
    assert not victim.exists()


SWEEP = ("-m", "softjax", "sweep")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.6])  # into the compilation, or wherever a machine is by then
def test_ctrl_c_before_the_training_ends_with_one_line_and_leaves_nothing(tmp_path, start_process, seconds):
    arguments = ("--num-iters", "1000000", "--chunk-size", "100000", "--out", "out")
    process = start_process(*SWEEP, *arguments, cwd=tmp_path)
    assert "digits" in process.stderr.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert error.endswith("softjax: interrupted; no report was written\n")
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir()) or "to continue: " in error


LONG = ("--learning-rates", "0.01,0.1", "--regs", "0.01,0.1", "--num-iters", "2000", "--chunk-size", "1")


@pytest.fixture(scope="module")
def long_results(tmp_path_factory):
    """What LONG gives when nothing stops it: one classifier, and every run's accuracies and losses."""

    def train():
        folder = tmp_path_factory.mktemp("whole")
        done = run(*SWEEP, *LONG, "--out", "out", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert not (folder / "out.partial").exists()
        return contents(folder / "out")

    return compute_once(tmp_path_factory, "long_results", train)


def contents(out):
    with np.load(out / "classifier.npz") as arrays:
        return (out / "results.csv").read_text(), {name: arrays[name].tobytes() for name in arrays.files}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_segment_and_the_printed_command_goes_on(
    tmp_path, monkeypatch, capsys, start_process, long_results, number, code
):
    process = start_process(*SWEEP, *LONG, "--out", "out", "--checkpoint-every", "0", cwd=tmp_path)
    wait_for(tmp_path / "out.partial" / "state.npz", process)
    process.send_signal(number)
    printed, error = process.communicate(timeout=LIMIT)
    assert process.returncode == code
    assert printed == ""
    assert "Traceback" not in error
    *_, stopped, to_continue, last = error.rstrip("\n").split("\n")
    assert re.fullmatch(r"stopped after [\d,]+ of 8,000 steps", stopped)
    assert last == "softjax: interrupted; no report was written"
    monkeypatch.chdir(tmp_path)  # what trains nothing needs no process of its own
    for options, message in (
        ((), "out.partial holds an unfinished run; --resume continues it, --overwrite discards it"),
        (("--seed", "3", "--resume"), "seed 0 there and 3 here"),
    ):
        assert cli.main(["sweep", *LONG, "--out", "out", *options]) == 2
        assert message in capsys.readouterr().err
    words = shlex.split(to_continue.removeprefix("to continue: "))
    assert words[0] == sys.executable  # it can be pasted
    resumed = run(*words[1:], cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert contents(tmp_path / "out") == long_results
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_killed_at_any_moment_a_sweep_goes_on_to_the_same_bits(tmp_path, long_results):
    rng = np.random.default_rng(0)
    kills = finished = 0
    while kills < 2:
        out = f"out{finished}"
        with processes() as start:
            process = start(*SWEEP, *LONG, "--checkpoint-every", "0", "--resume", "--out", out, cwd=tmp_path)
            try:
                process.communicate(timeout=rng.uniform(0.5, 5))
            except subprocess.TimeoutExpired:  # killed at the end of the block
                kills += 1
                continue
        assert process.returncode == 0
        assert contents(tmp_path / out) == long_results
        finished += 1
    for out in tmp_path.glob("out*"):
        name = out.name.removesuffix(".partial")
        done = run(*SWEEP, *LONG, "--out", name, "--resume", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert contents(tmp_path / name) == long_results
    assert not list(tmp_path.glob("*.partial"))


def test_resume_starts_fresh_does_nothing_twice_and_refuses_another_report(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = ["sweep", *SMALL, "--out", "out", "--resume"]
    assert cli.main(sweep) == 0  # nothing to resume
    run_json = tmp_path / "out" / "run.json"
    first = run_json.read_text()
    assert "--resume" not in first
    capsys.readouterr()
    assert cli.main(sweep) == 0
    assert capsys.readouterr().out == "complete: out/README.md\n"
    assert run_json.read_text() == first
    assert cli.main([*sweep, "--seed", "1"]) == 2
    assert "out exists; give --overwrite" in capsys.readouterr().err
    assert cli.main([*sweep, "--seed", "1", "--overwrite"]) == 0
    assert run_json.read_text() != first


def test_without_out_every_run_has_a_folder_of_its_own_and_resume_finds_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in ([], ["--seed", "1"], []):  # the same command runs twice
        assert cli.main(["sweep", *SMALL, *arguments]) == 0
    assert cli.main(["sweep", "--converge", "--regs", "0.1,1", "--tolerance", "1e-4"]) == 0
    assert capsys.readouterr().out.count("report: runs/digits-00") == 4
    for arguments, found in (([], 3), (["--seed", "1"], 2)):
        assert cli.main(["sweep", *SMALL, *arguments, "--resume"]) == 0
        assert capsys.readouterr().out == f"complete: runs/digits-00{found}/README.md\n"
    assert cli.main(["sweep", *SMALL, "--seed", "2", "--resume"]) == 0
    assert capsys.readouterr().out.endswith("report: runs/digits-005/README.md\n")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        f"digits-00{k}" for k in range(1, 6)
    ]


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize("left", ["identity and parts", "identity alone"])
def test_killed_after_its_report_was_complete_a_sweep_only_clears_away(
    tmp_path, monkeypatch, left, overwrite
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", *SMALL, "--out", "out"]) == 0
    run = (tmp_path / "out" / "run.json").read_text()
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / "identity.json").write_text("{}")
    if left == "identity and parts":
        (partial / "part-00000.npz").write_bytes(b"")
        (partial / "earlier").mkdir()
    assert cli.main(["sweep", *SMALL, "--out", "out", "--resume", *overwrite]) == 0
    assert (tmp_path / "out" / "run.json").read_text() == run
    assert not partial.exists()


@pytest.mark.usefixtures("own_messages")
def test_a_sweep_of_which_nothing_is_left_is_not_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["sweep", "--learning-rates", "1e30", "--num-iters", "20", "--checkpoint-every", "0"]
    assert cli.main(arguments) == 2
    assert "every configuration diverged" in capsys.readouterr().err
    assert cli.main(["sweep", *SMALL]) == 0


@pytest.mark.usefixtures("own_messages")
def test_a_report_that_fails_leaves_the_checkpoint(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reports, "write_sweep", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["sweep", *SMALL, "--checkpoint-every", "0"])
    assert (tmp_path / "runs" / "digits-001.partial" / "state.npz").is_file()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", *SMALL, "--resume"]) == 0
    assert not (tmp_path / "runs" / "digits-001.partial").exists()


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
def test_in_an_ascii_locale_a_report_is_written_in_utf_8(tmp_path):
    name = "dät" + os.fsdecode(b"\xff")
    np.savez(tmp_path / f"{name}.npz", X=np.random.default_rng(0).normal(size=(100, 3)), y=np.arange(100) % 2)
    arguments = [*SMALL, "--dataset", f"{name}.npz", "--out", name]
    done = run(
        *SWEEP,
        *arguments,
        cwd=tmp_path,
        env=os.environ | ASCII | {"MPLBACKEND": "nonsense"},
        errors="replace",
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / name / "README.md").read_bytes()
    assert f"{name}.npz".encode(errors="surrogateescape") in text
    assert "×".encode() in text
    again = run(*SWEEP, *arguments, "--resume", cwd=tmp_path, env=os.environ | ASCII, errors="replace")
    assert again.stdout.startswith("complete: ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_character_gets_another(encoding):
    done = run(
        "-m", "softjax", "sweep", "--help", env=os.environ | {"PYTHONIOENCODING": encoding}, encoding=encoding
    )
    assert done.returncode == 0, done.stderr
    assert "sum W" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_PLATFORMS", "cuda"),
        ("JAX_PLATFORMS", "nonsense"),
        ("JAX_ENABLE_X64", "abc"),
        ("JAX_NUM_CPU_DEVICES", "abc"),
        ("XLA_FLAGS", "nonsense"),
    ],
)
def test_a_variable_that_stops_jax_is_named_in_one_line(tmp_path, name, value):
    done = run(*SWEEP, *SMALL, cwd=tmp_path, env=os.environ | {name: value})
    assert done.returncode == 2
    assert done.stderr.startswith("softjax: error: ")
    assert done.stderr.count("\n") == 1
    assert name in done.stderr
    assert value in done.stderr


@pytest.mark.parametrize(
    ("streams", "code", "error"),
    [
        (">/dev/full", 2, "softjax: error: standard output cannot be written: No space left on device\n"),
        (">&-", 0, ""),
        (">&- <&- 2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(streams, code, error):
    command = f"{shlex.quote(sys.executable)} -m softjax --help {streams}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stderr) == (code, error)


def test_compilation_that_is_switched_off_is_switched_on_for_a_sweep(digits, small_config):
    with jax.disable_jit():
        softjax.sweep(digits, small_config)


def test_the_program_to_continue_with_is_the_one_that_was_called(monkeypatch, tmp_path):
    script = tmp_path / "softjax"
    script.touch(0o755)
    words = ["sweep", "--regs", "1"]
    monkeypatch.setattr(sys, "argv", [str(script), *words])
    assert surroundings.describe_program() == [str(script)]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert surroundings.describe_program() == ["softjax"]
    monkeypatch.setattr(sys, "argv", ["/x/softjax/__main__.py", *words])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-m", "softjax", *words])
    assert surroundings.describe_program() == ["python3", "-m", "softjax"]


def test_an_interruption_that_python_ignores_is_raised_again():
    class Callback:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0)  # where the handler runs

    with handle_signals() as stop:
        Callback()
        assert stop.requested == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.pause()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_all_steps_are_done_the_report_is_finished_before_the_command_stops(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write = reports.write_sweep

    def interrupt(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        write(*arguments, **options)

    monkeypatch.setattr(reports, "write_sweep", interrupt)
    assert cli.main(["sweep", *SMALL, "--out", "out"]) == 130
    assert capsys.readouterr().err.endswith("softjax: interrupted; all was done\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_interrupted_at_any_moment_a_sweep_says_so_and_goes_on_to_the_same_bits(tmp_path, long_results):
    """The moments lie between the start of the process and the end of the command."""
    entry = "import softjax.cli; print('up', flush=True); softjax.cli.run()"
    start = time.monotonic()
    run("-c", entry, "sweep", *LONG, "--out", "whole", cwd=tmp_path)
    seconds = time.monotonic() - start
    moments = round(30 * float(os.environ.get("SOFTJAX_FUZZ") or 0.07))
    for index, moment in enumerate(np.random.default_rng(0).uniform(0, seconds, size=moments)):
        out, arguments = tmp_path / f"out{index}", ("sweep", *LONG, "--out", f"out{index}")
        with processes() as begin:
            process = begin("-c", entry, *arguments, cwd=tmp_path)
            assert process.stdout.readline() == "up\n"
            time.sleep(moment)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=LIMIT)
        assert "Traceback" not in error
        if process.returncode != 0:  # it ended before
            assert process.returncode == 130
            assert re.fullmatch(
                "softjax: interrupted; (no report was written|all was done)", error.splitlines()[-1]
            )
        assert out.exists() == (process.returncode == 0 or "all was done" in error)
        if out.with_name(f"{out.name}.partial").exists():
            assert "to continue: " in error
            assert run("-m", "softjax", *arguments, "--resume", cwd=tmp_path).returncode == 0
        assert not out.exists() or contents(out) == long_results
    assert not list(tmp_path.glob("*.partial"))


def test_the_errors_that_advice_is_given_for_exist():
    for module, name in advice.ADVICE:
        assert issubclass(getattr(importlib.import_module(module), name), softjax.InputError)
