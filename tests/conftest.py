import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import jax
import jaxtyping
import matplotlib as mpl
import pytest
from support import pictures
from support.processes import processes

from softjax import SweepConfig, load_dataset, sweep

collect_ignore = ["audit/project"]  # a made-up package with tests of its own
mpl.use("agg")
# Programs are compiled once for all tests, and for the processes that they start, which inherit these.
OWN_CACHE = "JAX_COMPILATION_CACHE_DIR" not in os.environ
if OWN_CACHE:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="softjax-tests-")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
# JAX writes the cache in place, so another process can read half a program; it says so, and compiles it again.
os.environ["PYTHONWARNINGS"] = "ignore:Error reading persistent compilation cache entry"
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
# Compilation takes most of the time, so tests and the processes that they start are hardly optimized. Where this is set to 0, as
# `.ci/run` does on the lowest and the newest versions, programs are compiled as users have them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
HARDLY_OPTIMIZED = os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] != "0"
jax.config.update("jax_disable_most_optimizations", HARDLY_OPTIMIZED)
if HARDLY_OPTIMIZED and jax.__version_info__ < (0, 11):  # later ones have no such flag
    quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ.setdefault("XLA_FLAGS", quick)
# The library must spell out every broadcast and every conversion.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
# A first call compiles, so examples have no deadline; the same ones are tried every time.
hypothesis.settings.register_profile("softjax", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("softjax")


def pytest_unconfigure():
    if OWN_CACHE:
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.fixture
def start_process():
    """Starts a Python process that ends with the test: `support.processes`."""
    with processes() as start:
        yield start


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def own_messages():
    """Without the tests' type checks, as users meet the functions."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def without_pictures():
    """`support.pictures.without_pictures`, for a test."""
    with pictures.without_pictures():
        yield


@pytest.fixture(scope="session")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="session")
def cifar10_dir():
    """The folder with CIFAR-10, where the machine has it."""
    folder = os.environ.get("SOFTJAX_DATA_DIR")
    if not folder or not (Path(folder) / "cifar-10-batches-bin").is_dir():
        pytest.skip("CIFAR-10 is not there: SOFTJAX_DATA_DIR names no folder with cifar-10-batches-bin")
    return Path(folder)


@pytest.fixture(scope="session")
def small_config():
    return SweepConfig(
        learning_rates=(0.001, 0.01, 0.1),
        regs=(0.001, 0.1),
        num_iters=30,
        batch_size=50,
        num_seeds=2,
        keep_weights="all",
    )


@pytest.fixture(scope="session")
def small_result(digits, small_config):
    return sweep(digits, small_config)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window, which notes what its console says."""
    programs = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    found, driver = next(filter(None, programs), None), shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("no Chromium with chromedriver: apt install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = found
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()
