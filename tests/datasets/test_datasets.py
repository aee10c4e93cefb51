"""Every data set comes out as promised, whatever was on the disk or the network."""

import dataclasses
import functools
import gc
import hashlib
import http.server
import io
import os
import pickle
import struct
import tarfile
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import softjax
from softjax import InputError, load_dataset
from softjax.cli.advice import add_advice
from softjax.datasets import cifar10, preprocess


def parts(dataset):
    return dataset.train, dataset.val, dataset.test


# The digits and synthetic data


def test_the_digits_are_split_with_equal_shares_of_every_class(digits):
    assert [len(part) for part in parts(digits)] == [1257, 270, 270]
    assert digits.train.X.dtype == np.uint8
    assert digits.train.y.dtype == np.int32
    assert digits.image_shape == (8, 8)
    for part in parts(digits):
        shares = np.bincount(part.y, minlength=10) / len(part)
        np.testing.assert_allclose(shares, 0.1, atol=0.01)


def test_the_split_is_fixed_by_its_seed(digits):
    assert load_dataset("digits").fingerprint == digits.fingerprint
    assert load_dataset("digits", split_seed=1).fingerprint != digits.fingerprint


def test_synthetic_data_has_any_shape_and_can_be_learned():
    size = {"num_examples": 2040, "num_features": 20, "num_classes": 7}
    dataset = load_dataset("synthetic", **size)
    assert [part.X.shape for part in parts(dataset)] == [(1960, 20), (40, 20), (40, 20)]
    assert dataset.num_classes == 7
    assert dataset.fingerprint == load_dataset("synthetic", **size).fingerprint
    config = softjax.SweepConfig(learning_rates=(1e-4,), regs=(0.0,), num_iters=300)
    assert softjax.sweep(dataset, config).train_accuracy.max() > 0.5


def test_the_development_examples_are_drawn_without_replacement(digits):
    dev = digits.development(500)
    assert len(dev) == 500
    assert len(np.unique(dev.X, axis=0)) >= 499  # the digits hold few equal images
    np.testing.assert_array_equal(dev.X, digits.development(500).X)
    assert not np.array_equal(dev.X, digits.development(500, seed=1).X)


# Preprocessing


@pytest.mark.parametrize("standardize", [False, True])
def test_preprocessing_centres_the_training_set_and_appends_ones(digits, standardize):
    fitted = preprocess.fit(digits.train.X, standardize)
    X = np.asarray(preprocess.apply(fitted, digits.train.X, np.float32))
    assert X.shape == (1257, 65)
    np.testing.assert_array_equal(X[:, -1], 1)
    np.testing.assert_allclose(X[:, :-1].mean(axis=0), 0, atol=1e-5)
    varies = digits.train.X.std(axis=0) > 0
    expected = np.ones(varies.sum()) if standardize else digits.train.X.std(axis=0)[varies]
    np.testing.assert_allclose(X[:, :-1].std(axis=0)[varies], expected, rtol=1e-4)
    np.testing.assert_array_equal(X[:, :-1][:, ~varies], 0)


# The user's own arrays


@pytest.fixture
def own(tmp_path):
    def save(**arrays):
        path = tmp_path / "own.npz"
        np.savez(path, **arrays)
        return str(path)

    return save


rng = np.random.default_rng(0)
X, y = rng.normal(size=(100, 6)), np.arange(100) % 4


def test_own_arrays_are_split_or_taken_as_split(own):
    dataset = load_dataset(own(X=X, y=y, class_names=["a", "b", "c", "d"]))
    assert [len(part) for part in parts(dataset)] == [80, 10, 10]
    assert dataset.train.X.dtype == np.float64
    assert dataset.class_names == ("a", "b", "c", "d")
    given = {
        f"{name}_{part}": array for part in ("train", "val", "test") for name, array in (("X", X), ("y", y))
    }
    dataset = load_dataset(own(**given))
    np.testing.assert_array_equal(dataset.val.X, X)


def test_own_images_keep_their_shape(own):
    dataset = load_dataset(own(X=np.zeros((40, 5, 4, 3), np.uint8), y=np.arange(40) % 2))
    assert dataset.image_shape == (5, 4, 3)
    assert dataset.train.X.shape == (32, 60)
    assert dataset.train.X.dtype == np.uint8


def changed(array, row, value):
    array = array.copy()
    array[row] = value
    return array


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X}, "holds X; expected X and y, or X_train"),
        ({"X": X, "y": y[:50]}, r"own.npz: X has 100 examples, but own.npz: y 50 labels"),
        ({"X": X, "y": y + 0.5}, r"y holds 0.5 in row 0"),
        ({"X": X[:, 0], "y": y}, r"X must be numbers \(N, features\), or images, got float64 \(100,\)"),
        ({"X": X.astype("U9"), "y": y}, "column 0 of own.npz: X holds text"),
        ({"X": changed(X, 3, np.nan), "y": y}, r"X must be finite, but has nan in row 3, column 0"),
        ({"X": changed(X, 3, np.inf), "y": y}, r"X must be finite, but has inf in row 3"),
        (
            {"X": X, "y": changed(y, 5, 4)},
            "cannot be split .* with every class in every part.*100 examples of 5 classes.*with 1",
        ),
        ({"X": X, "y": y, "class_names": ["a", "b"]}, "class_names holds 2 names, but there are 4 classes"),
        ({"X": X, "y": y, "feature_names": ["a", "b"]}, "feature_names holds 2 names, but .* 6 features"),
        ({"X": X, "y": y, "X_val": X}, "y_val is missing"),
        ({"X": X, "y": y, "X_train": X, "y_train": y}, "leave out one pair"),
        ({"X": X, "y": y, "sample_weight": y - 1.0}, "sample_weight must be finite and not negative"),
    ],
)
def test_own_arrays_that_cannot_be_used_are_refused(own, arrays, message):
    with pytest.raises(InputError, match=message):
        load_dataset(own(**arrays))


@pytest.mark.parametrize("num_examples", [20, 60, 90, 300, 600, 1200, 3000, 49_000])
def test_a_split_is_exact_where_it_divides(own, num_examples):
    dataset = load_dataset(own(X=np.zeros((num_examples, 1), np.uint8), y=np.arange(num_examples) % 2))
    assert [10 * len(part) for part in parts(dataset)] == [8 * num_examples, num_examples, num_examples]


def given(**changed_parts):
    """X_train, y_train and so on: those of X and y, but for some."""
    return {
        f"{name}_{part}": array for part in ("train", "val", "test") for name, array in (("X", X), ("y", y))
    } | changed_parts


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "y": 0 * y}, "at least two classes"),
        ({"X": X, "y": 0 * y, "class_names": ["a"]}, "at least two classes"),
        (given(y_train=0 * y), "y_val holds the labels 1, 2, 3, which the training examples lack"),
        (given(y_train=0 * y, y_val=0 * y, y_test=0 * y), "at least two classes"),
        (given(y_test=changed(y, 5, 4)), "y_test holds the label 4, which the training examples lack"),
        ({"X": X[:1], "y": y[:1]}, "cannot be split.*1 examples? of 1 class"),
        ({"X": X[:2], "y": y[:2]}, "cannot be split.*2 examples of 2 classes"),
        ({"X": X[:3], "y": 0 * y[:3]}, "two classes"),
        ({"X": X[:0], "y": y[:0]}, "no examples"),
        ({"X": X[:, :0], "y": y}, r"X must be numbers \(N, features\)"),
        ({"X": X, "y": np.eye(4, dtype=int)[y]}, r"its shape is \(100, 4\).*argmax"),
        ({"X": X, "y": y, "class_names": [b"\xff", b"b", b"c", b"d"]}, "class_names"),
        ({"X": X, "y": y, "class_names": [1.5, 2.5, 3.5, 4.5]}, "class_names must be K strings"),
        (given(X_val=X.reshape(-1, 2, 3)), r"differ in the shape of an example.*\(2, 3\)"),
        (
            given(X_train=X.reshape(-1, 2, 3), X_val=X.reshape(-1, 2, 3), X_test=X.reshape(-1, 3, 2)),
            "differ in the shape",
        ),
    ],
)
def test_the_labels_and_shapes_of_own_arrays_are_refused_by_what_is_wrong(own, arrays, message):
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(own(**arrays))
    assert "\n" not in str(caught.value)


def test_names_of_classes_may_be_bytes(own):
    dataset = load_dataset(own(X=X, y=y, class_names=np.array([b"a", b"b", "ü".encode(), b"d"])))
    assert dataset.class_names == ("a", "b", "ü", "d")


def test_labels_of_own_arrays_are_of_any_kind(own):
    names = np.array(["cat", "cow", "dog", "pig"])
    for labels, classes in (
        (names[y], tuple(names)),
        (y + 0.0, (0.0, 1.0, 2.0, 3.0)),
        (3 * y[:, None] - 1, (-1, 2, 5, 8)),
    ):
        dataset = load_dataset(own(X=X, y=labels))
        assert dataset.classes == classes
        assert dataset.class_names == tuple(map(str, classes))
        np.testing.assert_array_equal(dataset.test.y, load_dataset(own(X=X, y=y)).test.y)


def test_own_arrays_may_hold_only_a_test_set_weights_and_names(own):
    weights = np.arange(100.0)
    dataset = load_dataset(
        own(X=X, y=y, X_test=X[:7], y_test=y[:7], sample_weight=weights, feature_names=list("abcdef"))
    )
    assert (len(dataset.val), len(dataset.test)) == (10, 7)
    assert len(dataset.train) == 90 - (X[0] not in dataset.val.X)  # its weight is 0
    assert dataset.feature_names == tuple("abcdef")
    where = {row.tobytes(): weight for row, weight in zip(X, weights, strict=True)}
    np.testing.assert_array_equal(dataset.train.weight, [where[row.tobytes()] for row in dataset.train.X])


def test_a_data_set_by_hand_has_two_classes_too(digits):
    with pytest.raises(InputError, match="at least two classes"):
        dataclasses.replace(digits, class_names=("zero",))


@pytest.mark.parametrize("num_examples", [2, 7])
def test_few_examples_are_enough_and_a_held_out_split_need_not_have_every_class(own, num_examples):
    few = {"X_train": X[:num_examples], "y_train": y[:num_examples] % 2, "X_val": X[:1], "y_val": y[:1]}
    dataset = load_dataset(own(**few, X_test=X[1:2], y_test=y[1:2]))
    config = softjax.SweepConfig(learning_rates=(0.1,), regs=(0.01,), num_iters=5, batch_size=50)
    for result in (softjax.sweep(dataset, config), softjax.regularization_path(dataset, config)):
        assert np.isfinite(result.train_accuracy).all()


def test_an_unknown_name_says_what_there_is_and_what_may_be_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.npz").touch()
    for name in ("table.csv", "book.xls", "X.npy"):
        (tmp_path / name).touch()
    for name, message in (
        ("mine", r"digits, cifar10, synthetic, a folder, or a path ending in \.npz.*did you mean mine\.npz"),
        ("table", r"did you mean table\.csv"),
        ("tabel.csv", r"no such file: tabel\.csv; did you mean 'table\.csv'"),
        ("mien.npz", r"no such file: mien\.npz; did you mean 'mine\.npz'"),
        ("X.npy", r"X\.npy is a single array: give the folder that holds"),
        ("digit", r"digits, cifar10, synthetic.*did you mean digits"),
        ("CIFAR10", r"did you mean cifar10"),
        ("book.xls", r"book\.xls is of none of these formats.*numpy\.savez"),
        ("unlike", r"a path ending in \.npz, \.csv, \.parquet$"),
        ("", r"digits, cifar10, synthetic"),
        ("n" * 300, r"digits, cifar10, synthetic"),
        ("null\0", r"digits, cifar10, synthetic"),
    ):
        with pytest.raises(InputError, match=message):
            load_dataset(name)


# CIFAR-10, in small: the real layouts with 20 images a batch


PER_BATCH = 20


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(cifar10, "PER_BATCH", PER_BATCH)
    monkeypatch.setattr(cifar10, "VAL", 10)
    monkeypatch.delenv("SOFTJAX_DATA_DIR", raising=False)


def images(batch):
    generator = np.random.default_rng(cifar10.BATCHES.index(batch))
    labels = generator.integers(0, 10, PER_BATCH).astype(np.uint8)
    return labels, generator.integers(0, 256, (PER_BATCH, 3072), dtype=np.uint8)


def binary_batch(batch):
    labels, pixels = images(batch)
    return np.hstack([labels[:, None], pixels]).tobytes()


def python2_batch(batch):
    """A batch as Python 2's cPickle wrote it, opcode by opcode."""
    labels, pixels = images(batch)

    def short(text):
        return b"U" + bytes([len(text)]) + text

    array = b"".join(
        [
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t", short(b"b"), b"tR",
            b"(K\x01(", *(b"M" + struct.pack("<H", n) for n in pixels.shape), b"t",
            b"cnumpy\ndtype\n(", short(b"u1"), b"K\x00K\x01tR",
            b"(K\x03", short(b"|"), b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T", struct.pack("<I", pixels.nbytes), pixels.tobytes(), b"tb",
        ]
    )  # fmt: skip
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + short(b"labels") + numbers + short(b"data") + array + b"u."


def lay_out(folder, layout="bin"):
    target = folder / f"cifar-10-batches-{layout}"
    target.mkdir(parents=True)
    for batch in cifar10.BATCHES:
        if layout == "bin":
            (target / f"{batch}.bin").write_bytes(binary_batch(batch))
        else:
            (target / batch).write_bytes(python2_batch(batch))
    return target


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("layout", ["bin", "py"])
def test_cifar10_is_read_from_both_layouts(tmp_path, layout):
    target = lay_out(tmp_path, layout)
    for folder in (tmp_path, target):
        dataset = load_dataset("cifar10", folder, test_images=5)
        assert [len(part) for part in parts(dataset)] == [90, 10, 5]
        labels, pixels = images("data_batch_1")
        np.testing.assert_array_equal(dataset.train.y[:PER_BATCH], labels)
        first = dataset.train.X[0].reshape(32, 32, 3)
        np.testing.assert_array_equal(first, pixels[0].reshape(3, 32, 32).transpose(1, 2, 0))
        assert dataset.title == "CIFAR-10 (unrecognized pixels)"
    assert len(load_dataset("cifar10", tmp_path, test_images="all").test) == PER_BATCH
    more = load_dataset("cifar10", tmp_path, val_images=30, test_images=5)
    assert [len(part) for part in parts(more)] == [70, 30, 5]
    np.testing.assert_array_equal(more.val.X[-10:], dataset.val.X)
    assert more.fingerprint != dataset.fingerprint


@pytest.mark.usefixtures("tiny")
def test_both_layouts_have_one_fingerprint_and_known_pixels_a_name(tmp_path, monkeypatch):
    lay_out(tmp_path / "a", "bin")
    lay_out(tmp_path / "b", "py")
    one, other = (load_dataset("cifar10", tmp_path / name) for name in "ab")
    assert one.fingerprint == other.fingerprint
    hashes = tuple(hashlib.sha1(binary_batch(batch)).hexdigest() for batch in cifar10.BATCHES)
    monkeypatch.setitem(cifar10.KNOWN_PIXELS, "CIFAR-10 (mine)", hashes)
    assert load_dataset("cifar10", tmp_path / "b").title == "CIFAR-10 (mine)"


class Harmful:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_runs_nothing(tmp_path, protocol):
    target, victim = lay_out(tmp_path, "py"), tmp_path / "victim"
    (target / "data_batch_1").write_bytes(pickle.dumps(Harmful(victim), protocol))
    with pytest.raises(
        InputError, match=r"data_batch_1 is damaged.*asks for posix.mkdir.*nothing of it was run"
    ):
        load_dataset("cifar10", tmp_path)
    assert not victim.exists()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("layout", "damage", "message"),
    [
        ("bin", lambda content: content[:-1], r"data_batch_2.bin is damaged: 61,459 bytes, expected 61,460"),
        ("bin", lambda content: content + b"x", "61,461 bytes, expected 61,460"),
        ("bin", lambda content: b"\x0a" + content[1:], "it holds the label 10, expected 0..9"),
        ("py", lambda content: content[: len(content) // 2], "data_batch_2 is damaged"),
        ("py", lambda content: b"", "data_batch_2 is damaged"),
        ("py", lambda content: pickle.dumps({b"labels": []}), "data_batch_2 is damaged"),
        ("py", lambda content: pickle.dumps([1, 2]), "data_batch_2 is damaged"),
    ],
)
def test_a_damaged_batch_is_refused(tmp_path, layout, damage, message):
    target = lay_out(tmp_path, layout)
    path = target / ("data_batch_2" + (".bin" if layout == "bin" else ""))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        load_dataset("cifar10", tmp_path)


@pytest.mark.usefixtures("tiny")
def test_an_explicit_folder_is_final(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "_download", lambda cache: pytest.fail("it went on to download"))
    lay_out(tmp_path / "good")
    monkeypatch.setenv("SOFTJAX_DATA_DIR", str(tmp_path / "good"))
    with pytest.raises(InputError, match="there is no such folder"):
        load_dataset("cifar10", tmp_path / "nowhere")
    incomplete = lay_out(tmp_path / "incomplete")
    (incomplete / "data_batch_3.bin").unlink()
    with pytest.raises(InputError, match=r"is incomplete: data_batch_3.bin missing"):
        load_dataset("cifar10", tmp_path / "incomplete")


@pytest.mark.usefixtures("tiny")
def test_the_environment_comes_before_the_cache_and_the_cache_before_the_network(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    downloaded = []
    monkeypatch.setattr(
        cifar10, "_download", lambda cache: downloaded.append(cache) or lay_out(tmp_path / "downloaded")
    )
    monkeypatch.setenv("SOFTJAX_DATA_DIR", "")  # empty counts as unset
    assert cifar10._find(None) == tmp_path / "downloaded" / "cifar-10-batches-bin"
    lay_out(tmp_path / "cache" / "softjax")
    assert cifar10._find(None) == tmp_path / "cache" / "softjax" / "cifar-10-batches-bin"
    assert downloaded == [tmp_path / "cache" / "softjax"]
    lay_out(tmp_path / "named", "py")
    monkeypatch.setenv("SOFTJAX_DATA_DIR", str(tmp_path / "named"))
    assert cifar10._find(None) == tmp_path / "named" / "cifar-10-batches-py"


@pytest.fixture
def archive():
    """The published archive in small, with a member that tries to leave its folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:

        def add(name, content):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

        add("../escaped", b"x")
        add("cifar-10-batches-bin/batches.meta.txt", b"airplane\n")
        for batch in cifar10.BATCHES:
            add(f"cifar-10-batches-bin/{batch}.bin", binary_batch(batch))
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path, tiny, monkeypatch):
    """Serves a folder on 127.0.0.1, and points the download at it."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as it:
        threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{it.server_port}/cifar-10-binary.tar.gz")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield folder
        it.shutdown()
    with warnings.catch_warnings():  # requests leaves a socket to the garbage collector when pooch gives up
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_the_archive_is_downloaded_once_checked_and_unpacked_safely(server, archive, tmp_path, monkeypatch):
    (server / "cifar-10-binary.tar.gz").write_bytes(archive)
    monkeypatch.setattr(cifar10, "MD5", hashlib.md5(archive).hexdigest())
    dataset = load_dataset("cifar10")
    assert len(dataset.train) == 90
    assert not list(tmp_path.rglob("escaped"))
    (server / "cifar-10-binary.tar.gz").unlink()
    assert load_dataset("cifar10").fingerprint == dataset.fingerprint


@pytest.mark.parametrize("served", ["nothing", "another archive", "no archive"])
def test_a_failed_download_names_url_cache_and_the_way_out(server, archive, tmp_path, monkeypatch, served):
    if served != "nothing":
        (server / "cifar-10-binary.tar.gz").write_bytes(archive)
    if served == "no archive":
        (server / "cifar-10-binary.tar.gz").write_bytes(b"<html>")
        monkeypatch.setattr(cifar10, "MD5", hashlib.md5(b"<html>").hexdigest())
    with pytest.raises(InputError) as error:
        load_dataset("cifar10")
    message = str(error.value)
    assert "\n" not in message
    if served == "no archive":
        assert "could not be unpacked as CIFAR-10's archive" in message
    else:
        for part in (cifar10.URL, str(tmp_path / "cache" / "softjax")):
            assert part in message
        assert add_advice(error.value).endswith("name a folder with --data-dir, or use --dataset digits")
    assert not list(Path(tmp_path / "cache").rglob("*batches-bin"))


def test_cifar10_itself(cifar10_dir):
    """Where it is: the real files, in both layouts."""
    binary = load_dataset("cifar10", cifar10_dir / "cifar-10-batches-bin")
    assert [len(part) for part in parts(binary)] == [49_000, 1_000, 1_000]
    assert binary.title in ("CIFAR-10", "CIFAR-10 (JPEG)")
    assert binary.train.X.dtype == np.uint8
    np.testing.assert_array_equal(
        np.bincount(load_dataset("cifar10", cifar10_dir, test_images="all").test.y), 1000
    )
    if (cifar10_dir / "cifar-10-batches-py").is_dir():
        pickled = load_dataset("cifar10", cifar10_dir / "cifar-10-batches-py")
        assert pickled.fingerprint == binary.fingerprint
        np.testing.assert_array_equal(pickled.val.X, binary.val.X)
