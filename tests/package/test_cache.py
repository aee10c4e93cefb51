"""One line, and the next process of the same programs compiles nothing."""

import os

import pytest
from support.processes import run

from softjax import InputError, keep_compiled

# The process has compiled something before it asks for the cache.
PROGRAM = """
import sys
import jax
import numpy as np
jax.jit(lambda x: x + 1)(1.0)
import softjax
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
print(softjax.keep_compiled(sys.argv[1]))
softjax.negative_log_likelihood(np.zeros((2, 3)), np.array([0, 2]))
print(*(events.count(f"/jax/compilation_cache/cache_{what}") for what in ("misses", "hits")))
"""
DEFAULT = """
import jax
import softjax
from softjax.cli import surroundings
print(softjax.keep_compiled())
print(jax.config.jax_compilation_cache_dir)
print(jax.config.jax_persistent_cache_min_compile_time_secs)
surroundings.keep_compiled()
import os
print(os.environ["JAX_COMPILATION_CACHE_DIR"])
"""


def user_s(**variables):
    """The environment of a user who has set nothing."""
    return {name: value for name, value in os.environ.items() if "_CACHE_" not in name} | variables


@pytest.mark.parametrize("used_before", [False, True])
def test_a_second_process_compiles_nothing(tmp_path, used_before):
    """Also where JAX has used another folder in this process."""
    folder = tmp_path / "new" / "folder"
    environment = user_s(JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0")  # also what takes no time
    counts = []
    for number in range(2):
        if used_before:
            environment["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path / f"other{number}")
        done = run("-c", PROGRAM, folder, env=environment)
        assert done.returncode == 0, done.stderr
        where, count = done.stdout.splitlines()
        assert where == str(folder)
        counts.append([int(number) for number in count.split()])
    (compiled, _), (compiled_again, found) = counts
    assert compiled > 0
    assert compiled_again == 0
    assert found >= compiled


def test_by_default_the_cache_is_that_of_the_command_line(tmp_path):
    done = run("-c", DEFAULT, env=user_s(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache")))
    assert done.returncode == 0, done.stderr
    returned, used, seconds, command_line_s = done.stdout.splitlines()
    assert returned == used == command_line_s
    assert tmp_path.as_posix() in returned
    assert float(seconds) == 0.1


def test_where_jax_is_told_another_folder_that_is_the_default(tmp_path):
    done = run("-c", DEFAULT, env=user_s(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine")))
    assert done.stdout.splitlines()[:2] == [str(tmp_path / "mine")] * 2


@pytest.mark.usefixtures("own_messages")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"compiled programs cannot be kept in .*file"):
        keep_compiled(tmp_path / "file")
    with pytest.raises(InputError, match="folder must be a path, got 5"):
        keep_compiled(5)
