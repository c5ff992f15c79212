"""Data sets: what is found where, what is refused and in which words, and how a set is divided."""

import gzip
import hashlib
import socket
import sys
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from brianprop.experiments.data import digits as scikit_learn_digits
from brianprop.experiments.data import downloads, emnist, idx
from brianprop.experiments.data import images as image_sets
from brianprop.experiments.data.dataset import Dataset, Part, divide
from brianprop.experiments.data.images import find, load
from brianprop.experiments.data.mnist import FASHION_MNIST, MNIST
from brianprop.models.errors import DataError, ParameterError

STEMS = tuple(idx.FILES)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = STEMS


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path, monkeypatch):
    """Keep the caches, variables and packages of this computer out of the tests."""
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BRIANPROP_DATA", raising=False)
    monkeypatch.setattr(FASHION_MNIST, "installed", tmp_path / "system")
    for known in (MNIST, FASHION_MNIST):
        monkeypatch.setattr(known, "mirrors", ())


def idx_payload(array):
    """Return an array of unsigned bytes as an IDX payload."""
    sizes = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def payloads():
    """Four small payloads: labels start at 5, with gaps."""
    rng = np.random.default_rng(1)
    return {
        TRAIN_IMAGES: idx_payload(rng.integers(0, 256, (7, 3, 4))),
        TRAIN_LABELS: idx_payload(np.array([9, 5, 5, 200, 7, 9, 5])),
        TEST_IMAGES: idx_payload(rng.integers(0, 256, (3, 3, 4))),
        TEST_LABELS: idx_payload(np.array([200, 5, 9])),
    }


def write(folder, payloads, suffix=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, payload in payloads.items():
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(payload, mtime=0) if suffix == ".gz" else payload)
    return folder


@pytest.fixture
def known(monkeypatch, payloads):
    """Make the small payloads the published ones of MNIST and Fashion-MNIST."""
    sums = {name: hashlib.sha256(payload).hexdigest() for name, payload in payloads.items()}
    for known in (MNIST, FASHION_MNIST):
        monkeypatch.setattr(known, "sha256", sums)
    return payloads


def check_payloads(dataset, payloads):
    for images, stem in ((dataset.train.images, TRAIN_IMAGES), (dataset.test.images, TEST_IMAGES)):
        assert images.dtype == np.uint8
        assert images.tobytes() == payloads[stem][16:]


# ---------------------------------------------------------------------------------------------------- any folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_a_folder_of_idx_files(tmp_path, payloads, suffix, dotted):
    spelled = {name.replace("-idx", ".idx") if dotted else name: payload for name, payload in payloads.items()}
    folder = write(tmp_path / "mine", spelled, suffix)
    assert find(str(folder)) == str(folder)
    dataset = load(str(folder))
    check_payloads(dataset, payloads)
    assert dataset.train.images.shape == (7, 3, 4)
    assert dataset.test.images.shape == (3, 3, 4)
    np.testing.assert_array_equal(dataset.classes, [5, 7, 9, 200])
    np.testing.assert_array_equal(dataset.train.labels, [2, 0, 0, 3, 1, 2, 0])
    np.testing.assert_array_equal(dataset.test.labels, [3, 0, 2])
    assert dataset.train.labels.dtype == dataset.test.labels.dtype == dataset.classes.dtype == np.int64
    assert (dataset.name, dataset.origin) == (str(folder), str(folder))


def test_a_relative_folder_has_an_absolute_origin(tmp_path, payloads, monkeypatch):
    monkeypatch.chdir(write(tmp_path / "mine", payloads).parent)
    assert load("mine").origin == str(tmp_path / "mine")


def test_an_unknown_name(tmp_path):
    with pytest.raises(
        DataError, match=r"'mnits' is neither one of digits, mnist, fashion-mnist, emnist-letters, .* nor a folder"
    ):
        load("mnits")
    assert find("mnits") is None


def test_a_missing_file_is_named(tmp_path, payloads):
    folder = write(tmp_path / "mine", payloads)
    (folder / f"{TEST_LABELS}.gz").unlink()
    assert find(str(folder)) is None
    with pytest.raises(DataError, match=f"{TEST_LABELS} .* is missing in {folder}; put it there"):
        load(str(folder))


def truncated_gzip(payloads):
    return TRAIN_IMAGES, gzip.compress(payloads[TRAIN_IMAGES])[:-20]


def damaged_gzip(payloads):
    content = bytearray(gzip.compress(payloads[TRAIN_IMAGES]))
    content[-6] ^= 1  # in the checksum of the gzip trailer
    return TRAIN_IMAGES, bytes(content)


def damaged_deflate(payloads):
    content = bytearray(gzip.compress(payloads[TRAIN_IMAGES]))
    content[10] |= 0b110  # a type of block that does not exist
    return TRAIN_IMAGES, bytes(content)


def no_gzip(payloads):
    return TRAIN_LABELS, payloads[TRAIN_LABELS]


def nothing(payloads):
    return TRAIN_LABELS, b""


def truncated_payload(payloads):
    return TRAIN_IMAGES, gzip.compress(payloads[TRAIN_IMAGES][:-5])


def long_payload(payloads):
    return TEST_LABELS, gzip.compress(payloads[TEST_LABELS] + b"\0")


def truncated_header(payloads):
    return TRAIN_IMAGES, gzip.compress(payloads[TRAIN_IMAGES][:9])


def empty_payload(payloads):
    return TRAIN_IMAGES, gzip.compress(b"")


def labels_for_images(payloads):
    return TRAIN_IMAGES, gzip.compress(payloads[TRAIN_LABELS])


def images_for_labels(payloads):
    return TEST_LABELS, gzip.compress(payloads[TEST_IMAGES])


def no_images(payloads):
    return TRAIN_IMAGES, gzip.compress(idx_payload(np.zeros((0, 3, 4))))


def no_pixels(payloads):
    return TEST_IMAGES, gzip.compress(idx_payload(np.zeros((3, 0, 4))))


@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (truncated_gzip, "is truncated: its gzip data end early; replace it"),
        (damaged_gzip, r"holds damaged gzip data \(CRC check failed"),
        (damaged_deflate, r"holds damaged gzip data \(Error -3"),
        (no_gzip, r"is not gzip data \(it starts with 00000801\); take the suffix .gz off"),
        (nothing, r"is not gzip data \(it starts with nothing\)"),
        (truncated_payload, "is truncated: its header says 7 images of 3 x 4 pixels, which take 100 bytes, .* 95;"),
        (long_payload, "is too long: its header says 3 labels, which take 11 bytes, but it holds more; replace it"),
        (truncated_header, "is truncated: 9 bytes are less than the header of IDX images, 16 bytes"),
        (empty_payload, "is truncated: 0 bytes are less than the header of IDX images, 16 bytes"),
        (labels_for_images, "holds uint8 of shape 7, but images are read as uint8 of shape n x rows x columns"),
        (images_for_labels, "holds uint8 of shape 3 x 3 x 4, but labels are read as uint8 of shape n, one number"),
        (no_images, "is empty: its header says 0 x 3 x 4 images; replace it"),
        (no_pixels, "is empty: its header says 3 x 0 x 4 images; replace it"),
    ],
)
def test_a_broken_file_is_named(tmp_path, payloads, breakage, message):
    folder = write(tmp_path / "mine", payloads)
    name, content = breakage(payloads)
    (folder / f"{name}.gz").write_bytes(content)
    with pytest.raises(DataError, match=f"{folder}/{name}.gz {message}"):
        load(str(folder))


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (
            8,
            np.zeros((7, 3, 4, 3), ">u1"),
            "holds uint8 of shape 7 x 3 x 4 x 3, but images are read as uint8 of shape n x rows",
        ),
        (9, np.zeros((7, 3, 4), ">i1"), "holds int8 of shape 7 x 3 x 4, but images are .* grey values from 0 to 255; convert"),
        (11, np.zeros((7, 3, 4), ">i2"), "holds int16 of shape 7 x 3 x 4, but images"),
        (13, np.zeros((7, 3, 4), ">f4"), "holds float32 of shape 7 x 3 x 4, but images"),
        (14, np.zeros(7, ">f8"), "holds float64 of shape 7, but images"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_another_type_or_shape_is_said(tmp_path, payloads, kind, content, message, suffix):
    header = bytes([0, 0, kind, content.ndim]) + np.array(content.shape, ">u4").tobytes()
    folder = write(tmp_path / "mine", payloads | {TRAIN_IMAGES: header + content.tobytes()}, suffix)
    with pytest.raises(DataError, match=f"{TRAIN_IMAGES}{suffix} {message}"):
        load(str(folder))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", "is a web page"),
        (b"PK\3\4", "is a zip archive"),
        (b"\x89PNG", "is a PNG image"),
        (b"spam", "starts with 7370616d"),
        (b"\0\0\x0a\3", "starts with 00000a03"),
    ],
)
def test_what_is_no_idx_file_is_said(tmp_path, payloads, content, message):
    folder = write(tmp_path / "mine", payloads, suffix="")
    (folder / TRAIN_LABELS).write_bytes(content)
    with pytest.raises(DataError, match=f"{TRAIN_LABELS} is no IDX file, since it {message}; put the IDX file of the labels"):
        load(str(folder))


#: A header that promises 10 GB.
HUGE = bytes([0, 0, 8, 3]) + np.array([10_000, 1000, 1000], ">u4").tobytes()


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path, payloads):
    for suffix in ("", ".gz"):
        folder = write(tmp_path / f"mine{suffix}", payloads | {TRAIN_IMAGES: HUGE + bytes(100)}, suffix)
        tracemalloc.start()
        with pytest.raises(DataError, match=f"{TRAIN_IMAGES}{suffix} is truncated: its header says 10000 images of 1000"):
            load(str(folder))
        assert tracemalloc.get_traced_memory()[1] < 2**22
        tracemalloc.stop()


def test_a_gzip_bomb_is_read_no_further_than_its_header_says(tmp_path, payloads):
    folder = write(tmp_path / "mine", payloads)
    bomb = gzip.compress(payloads[TRAIN_IMAGES] + bytes(2**28), compresslevel=1)
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(DataError, match="is too long: its header says 7 images of 3 x 4 pixels, which take 100 bytes"):
        load(str(folder))
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_more_than_there_is_memory_for(tmp_path, payloads, monkeypatch):
    folder = write(tmp_path / "mine", payloads, suffix="")
    with open(folder / TRAIN_IMAGES, "wb") as file:  # sparse: it takes no place on the disk
        file.write(HUGE)
        file.truncate(len(HUGE) + 10**10)
    monkeypatch.setattr(idx, "_free_memory", lambda: 10**9)
    with pytest.raises(DataError, match=r"is too large: its header says 10000 images .* but 1000000000 bytes of memory"):
        load(str(folder))


@pytest.mark.parametrize("seed", range(5))
def test_damage_anywhere_is_one_sentence(tmp_path, payloads, seed):
    """Bits flipped and ends cut off in all four files: read as before, or refused."""
    rng = np.random.default_rng(seed)
    for number in range(40):
        folder = write(tmp_path / f"mine{number}", payloads, ("", ".gz")[number % 2])
        path = sorted(folder.iterdir())[rng.integers(4)]
        content = bytearray(path.read_bytes())
        if number % 3:
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        else:
            del content[rng.integers(len(content)) :]
        path.write_bytes(content)
        try:
            load(str(folder))
        except DataError as error:
            assert "\n" not in str(error)


def test_gzip_without_the_suffix(tmp_path, payloads):
    folder = write(tmp_path / "mine", payloads, suffix="")
    (folder / TRAIN_IMAGES).write_bytes(gzip.compress(payloads[TRAIN_IMAGES]))
    with pytest.raises(DataError, match=f"{TRAIN_IMAGES} is no IDX file, since it is gzip data without the suffix .gz"):
        load(str(folder))


def test_a_file_that_fails_while_it_is_read(tmp_path, payloads, monkeypatch):
    folder = write(tmp_path / "mine", payloads)

    def fail(path, *_):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(idx.Path, "open", fail)
    with pytest.raises(DataError, match=rf"{TRAIN_IMAGES}.gz cannot be read \(Input/output error\)"):
        load(str(folder))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (TRAIN_LABELS, np.full(6, 5), "train-images.*.gz holds 7 images but train-labels.*.gz beside it holds 6"),
        (TEST_LABELS, np.full(4, 5), "t10k-images.*.gz holds 3 images but t10k-labels.*.gz beside it holds 4"),
        (TEST_IMAGES, np.zeros((3, 4, 4)), "holds training images of 3 x 4 pixels but test images of 4 x 4; replace"),
        (TEST_LABELS, np.array([5, 8, 9]), "t10k-labels-idx1-ubyte.gz holds label 8, which no training image has"),
    ],
)
def test_files_that_do_not_fit_each_other(tmp_path, payloads, name, array, message):
    folder = write(tmp_path / "mine", {**payloads, name: idx_payload(array)})
    with pytest.raises(DataError, match=message):
        load(str(folder))


# ------------------------------------------------------------------------------------------------------------ EMNIST


@pytest.fixture
def letters():
    """Payloads with all 26 letters, in the four usual files."""
    rng = np.random.default_rng(2)
    found = {}
    for prefix, count in (("train", 52), ("t10k", 26)):
        found[f"{prefix}-images-idx3-ubyte"] = idx_payload(rng.integers(0, 256, (count, 5, 5)))
        found[f"{prefix}-labels-idx1-ubyte"] = idx_payload(np.arange(count) % 26 + 1)
    return found


@pytest.mark.parametrize("subfolder", ["", "emnist-letters"])
@pytest.mark.parametrize("variable", [False, True])
def test_the_official_files_of_letters_are_turned_upright(tmp_path, letters, subfolder, variable, monkeypatch):
    official = {f"emnist-letters-{name.replace('t10k', 'test')}": payload for name, payload in letters.items()}
    folder = write(tmp_path / "data" / subfolder, official)
    data_dir = None if variable else tmp_path / "data"
    if variable:
        monkeypatch.setenv("BRIANPROP_DATA", str(tmp_path / "data"))
    assert find("emnist-letters", data_dir) == str(folder)
    dataset = load("emnist-letters", data_dir)
    in_file = np.frombuffer(letters[TRAIN_IMAGES][16:], np.uint8).reshape(52, 5, 5)
    assert all(np.array_equal(image, stored.T) for image, stored in zip(dataset.train.images, in_file, strict=True))
    assert dataset.test.images.shape == (26, 5, 5)
    assert dataset.classes.tolist() == list(range(1, 27)) and dataset.train.labels.tolist() == [*range(26), *range(26)]


def test_letters_under_the_usual_names_are_upright_and_need_a_folder_of_their_name(tmp_path, letters):
    write(tmp_path, letters)
    # train-images-idx3-ubyte may be anything, as MNIST
    assert find("emnist-letters", tmp_path) is None
    with pytest.raises(DataError, match=r"emnist-letters-test-labels-idx1-ubyte.gz out of https://\S*gzip.zip .* --data-dir"):
        load("emnist-letters", tmp_path)
    write(tmp_path / "emnist-letters", letters)
    check_payloads(load("emnist-letters", tmp_path), letters)


def test_letters_that_are_none_or_incomplete_are_refused(tmp_path, letters, payloads):
    folder = write(tmp_path / "emnist-letters", payloads)
    with pytest.raises(DataError, match=r"labels 5 to 200 of 4 classes, but emnist-letters has 1 to 26"):
        load("emnist-letters", tmp_path)
    write(folder, letters)
    (folder / f"{TEST_LABELS}.gz").unlink()
    assert find("emnist-letters", tmp_path) is None
    with pytest.raises(DataError, match=f"{TEST_LABELS} .* is missing in {folder}"):
        load("emnist-letters", tmp_path)


def test_a_subset_is_a_folder_of_its_own(tmp_path, letters, monkeypatch):
    with pytest.raises(DataError, match="put a folder of that name with the four IDX files there, or use emnist-letters"):
        load("emnist-letters-subset", tmp_path)
    folder = write(tmp_path / "emnist-letters-subset", letters)
    check_payloads(load("emnist-letters-subset", tmp_path), letters)
    monkeypatch.setenv("BRIANPROP_DATA", str(tmp_path))
    dataset = load("emnist-letters-subset")
    check_payloads(dataset, letters)
    assert dataset.origin == str(folder) and image_sets.known("emnist-letters-subset") and not image_sets.known("mnist-subset")


@pytest.mark.parametrize(("part", "n"), [("balanced", 47), ("digits", 10)])
def test_the_official_archive_is_downloaded_once_and_checked(part, n, tmp_path, mirror, monkeypatch):
    rng = np.random.default_rng(4)
    archive = tmp_path / "served" / "gzip.zip"
    archive.parent.mkdir(parents=True)
    images = rng.integers(0, 256, (2 * n, 5, 5))
    with zipfile.ZipFile(archive, "w") as members:
        for prefix, count in (("train", 2 * n), ("test", n)):
            stem = f"gzip/emnist-{part}-{prefix}"
            members.writestr(f"{stem}-images-idx3-ubyte.gz", gzip.compress(idx_payload(images[:count])))
            members.writestr(f"{stem}-labels-idx1-ubyte.gz", gzip.compress(idx_payload(np.arange(count) % n)))
    monkeypatch.setattr(emnist, "ARCHIVE", f"{mirror.url}/gzip.zip")
    refused = r"cannot be downloaded \(its mirrors sent something else\): take emnist-.* into a folder, and name it"
    with pytest.raises(DataError, match=refused):
        load(f"emnist-{part}")
    monkeypatch.setattr(emnist, "MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    dataset = load(f"emnist-{part}")
    assert len(dataset.classes) == n and dataset.test.images.shape == (n, 5, 5)
    assert all(np.array_equal(image, stored.T) for image, stored in zip(dataset.train.images, images, strict=True))
    asked = len(mirror.requested)
    assert find(f"emnist-{part}") == dataset.origin == str(tmp_path / "cache" / "downloads" / "emnist")
    # as a kill while the files are taken out leaves it: the archive is there
    (tmp_path / "cache" / "downloads" / "emnist" / f"emnist-{part}-test-labels-idx1-ubyte.gz").unlink()
    assert find(f"emnist-{part}") is None
    assert load(f"emnist-{part}").test.images.shape == (n, 5, 5)
    assert len(mirror.requested) == asked


# ------------------------------------------------------------------------------------- where named sets are searched


@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_data_dir_or_its_subfolder(tmp_path, known, subfolder):
    folder = write(tmp_path / "data" / subfolder, known)
    assert find("mnist", tmp_path / "data") == str(folder)
    dataset = load("mnist", tmp_path / "data")
    check_payloads(dataset, known)
    assert (dataset.name, dataset.origin) == ("mnist", str(folder))


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("mnist", "MNIST/raw"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("fashion-mnist", "fashion_mnist"),
        ("mnist", "raw"),
    ],
)
def test_the_folders_of_other_tools(tmp_path, known, name, layout, monkeypatch):
    folder = write(tmp_path / "data" / layout, known, suffix="")
    monkeypatch.setenv("BRIANPROP_DATA", str(tmp_path / "data"))
    for place in (None, tmp_path / "data", folder.parent, folder):
        assert find(name, place) == str(folder)
        check_payloads(load(name, place), known)
    if folder.name == "raw":  # also where the folder around it is named as the data set
        assert find(str(folder.parent)) == load(str(folder.parent)).origin == str(folder)


def test_the_folder_of_its_name_comes_before_the_files_of_another(tmp_path, known):
    write(tmp_path, {name: b"" for name in known}, suffix="")
    folder = write(tmp_path / "FashionMNIST" / "raw", known, suffix="")
    assert find("fashion-mnist", tmp_path) == str(folder)


def test_emnist_as_torchvision_puts_it(tmp_path, letters):
    official = {f"emnist-letters-{name.replace('t10k', 'test')}": payload for name, payload in letters.items()}
    folder = write(tmp_path / "EMNIST" / "raw", official, suffix="")
    assert find("emnist-letters", tmp_path) == str(folder)
    assert load("emnist-letters", tmp_path).train.images.shape == (52, 5, 5)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, known, monkeypatch):
    folder = write(tmp_path / "data" / "mnist", known)

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(downloads.Path, "stat", refuse)
    for look in (find, load):
        with pytest.raises(DataError, match=rf"{folder}/\S* cannot be read \(Permission denied\); change the permissions"):
            look("mnist", tmp_path / "data")


def test_data_dir_is_final(tmp_path, known, monkeypatch):
    monkeypatch.setenv("BRIANPROP_DATA", str(write(tmp_path / "elsewhere", known)))
    write(tmp_path / "cache" / "downloads" / "mnist", known)
    (tmp_path / "data").mkdir()
    assert find("mnist", tmp_path / "data") is None
    with pytest.raises(DataError, match=rf"mnist is not in {tmp_path}/data: put train-.* subfolder mnist, or leave"):
        load("mnist", tmp_path / "data")


def test_an_incomplete_folder_is_not_passed_over(tmp_path, known, monkeypatch):
    folder = write(tmp_path / "data", known)
    (folder / f"{TEST_IMAGES}.gz").unlink()
    monkeypatch.setenv("BRIANPROP_DATA", str(folder))
    assert find("mnist") is None
    with pytest.raises(DataError, match=f"{TEST_IMAGES} .* is missing in {folder}"):
        load("mnist")


def test_the_order_of_places(tmp_path, known, monkeypatch):
    assert find("fashion-mnist") is None
    cached = write(tmp_path / "cache" / "downloads" / "fashion-mnist", known)
    assert load("fashion-mnist").origin == find("fashion-mnist") == str(cached)
    system = write(tmp_path / "system", known)
    assert load("fashion-mnist").origin == find("fashion-mnist") == str(system)
    assert find("mnist") is None  # the package holds Fashion-MNIST alone
    variable = write(tmp_path / "variable" / "fashion-mnist", known)
    monkeypatch.setenv("BRIANPROP_DATA", str(tmp_path / "variable"))
    assert load("fashion-mnist").origin == find("fashion-mnist") == str(variable)
    option = write(tmp_path / "option", known)
    assert load("fashion-mnist", option).origin == find("fashion-mnist", option) == str(option)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_wrong_checksum(tmp_path, payloads, suffix):
    folder = write(tmp_path / "mnist", payloads, suffix)
    found = hashlib.sha256(payloads[TRAIN_IMAGES]).hexdigest()
    with pytest.raises(DataError, match=rf"{folder}/{TRAIN_IMAGES}\S* is not the published one.* {found}, not ba89"):
        load("mnist", tmp_path)


# ----------------------------------------------------------------------------------------------- cache of payloads


def test_a_second_start_does_not_unzip(tmp_path, known, monkeypatch):
    folder = write(tmp_path / "data", known)
    load("mnist", folder)

    def fail(*_):
        raise AssertionError("unzipped again")

    monkeypatch.setattr(idx, "_unzip", fail)
    check_payloads(load("mnist", folder), known)


def test_a_file_that_is_damaged_later_is_noticed(tmp_path, known):
    folder = write(tmp_path / "data", known)
    load("mnist", folder)
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(idx_payload(np.zeros((7, 3, 4)))))
    with pytest.raises(DataError, match="is not the published one"):
        load("mnist", folder)


def test_a_damaged_copy_is_made_anew(tmp_path, known):
    folder = write(tmp_path / "data", known)
    load("mnist", folder)
    copy = tmp_path / "cache" / "payloads" / MNIST.sha256[TRAIN_IMAGES]
    copy.write_bytes(known[TRAIN_IMAGES][:-1] + b"\0")  # as long as it should be
    check_payloads(load("mnist", folder), known)
    assert copy.read_bytes() == known[TRAIN_IMAGES]


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, known, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "file"))
    check_payloads(load("mnist", write(tmp_path / "data", known)), known)


def test_a_full_disk_leaves_no_part_in_the_cache(tmp_path, known, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("brianprop.models.files.os.replace", fail)
    check_payloads(load("mnist", write(tmp_path / "data", known)), known)
    assert list((tmp_path / "cache" / "payloads").iterdir()) == []


# --------------------------------------------------------------------------------------------------------- download


def test_a_download_passes_over_a_bad_mirror_and_is_kept(tmp_path, known, mirror, monkeypatch):
    write(tmp_path / "served" / "good", known)
    write(tmp_path / "served" / "bad", {**known, TRAIN_LABELS: idx_payload(np.array([1, 1, 1, 1, 1, 1, 1]))})
    urls = tuple(f"{mirror.url}/{folder}/" for folder in ("absent", "bad", "good"))
    monkeypatch.setattr(MNIST, "mirrors", urls)
    dataset = load("mnist")
    check_payloads(dataset, known)
    assert dataset.origin == find("mnist") == str(tmp_path / "cache" / "downloads" / "mnist")
    asked = [("absent", TRAIN_IMAGES), ("bad", TRAIN_IMAGES), ("bad", TRAIN_LABELS)]
    asked += [("good", stem) for stem in STEMS[1:]]
    assert mirror.requested == [f"/{folder}/{stem}.gz" for folder, stem in asked]
    check_payloads(load("mnist"), known)
    assert len(mirror.requested) == len(asked)


def test_an_interrupted_download_is_completed(tmp_path, known, mirror, monkeypatch, capsys, caplog):
    write(tmp_path / "served", known)
    monkeypatch.setattr(MNIST, "mirrors", (f"{mirror.url}/",))
    monkeypatch.setattr(pooch.get_logger(), "handlers", [caplog.handler])
    write(tmp_path / "cache" / "downloads" / "mnist", {TRAIN_IMAGES: known[TRAIN_IMAGES]})
    check_payloads(load("mnist"), known)
    assert mirror.requested == [f"/{stem}.gz" for stem in STEMS[1:]]
    sizes = {stem: len(gzip.compress(known[stem], mtime=0)) for stem in STEMS}
    place = tmp_path / "cache" / "downloads" / "mnist"
    said = [f"Downloading {mirror.url}/{stem}.gz ({sizes[stem]} bytes) to {place / stem}.gz" for stem in STEMS[1:]]
    assert capsys.readouterr().err.split("\n") == [*said, ""]
    assert caplog.messages == []  # pooch's advice to note the hashes


def test_processes_that_start_at_once_download_once(tmp_path, known, mirror, monkeypatch):
    write(tmp_path / "served", known)
    monkeypatch.setattr(MNIST, "mirrors", (f"{mirror.url}/",))
    with ThreadPoolExecutor(4) as pool:  # each opens the lock anew, as processes do
        for dataset in pool.map(lambda _: load("mnist"), range(4)):
            check_payloads(dataset, known)
    assert sorted(mirror.requested) == sorted(f"/{stem}.gz" for stem in STEMS)


def test_a_download_that_does_not_fit_does_not_begin(tmp_path, known, mirror, monkeypatch):
    write(tmp_path / "served", known)
    monkeypatch.setattr(MNIST, "mirrors", (f"{mirror.url}/",))
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    place = tmp_path / "cache" / "downloads" / "mnist"
    with pytest.raises(DataError, match=rf"cannot be downloaded into {place} \(No space left on device\); make room"):
        load("mnist")
    assert list(place.iterdir()) == []


def test_a_file_system_without_locks(tmp_path, known, mirror, monkeypatch):
    write(tmp_path / "served", known)
    monkeypatch.setattr(MNIST, "mirrors", (f"{mirror.url}/",))

    def refuse(self, *_, **__):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    check_payloads(load("mnist"), known)


def test_mirrors_that_fail(tmp_path, known, mirror, monkeypatch):
    remedy = rf": put {TRAIN_IMAGES}.gz, .*{TEST_LABELS}.gz into a folder, and name .* --data-dir or BRIANPROP_DATA"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refuses connections
        monkeypatch.setattr(MNIST, "mirrors", (f"http://127.0.0.1:{unused.getsockname()[1]}/",))
        with pytest.raises(DataError, match=r"downloaded \(no connection to its mirrors\)" + remedy):
            load("mnist")
    monkeypatch.setattr(MNIST, "mirrors", (f"{mirror.url}/",))
    with pytest.raises(DataError, match=r"downloaded \(HTTP status 404\)" + remedy):
        load("mnist")
    write(tmp_path / "served", {**known, TRAIN_IMAGES: b"login first"})
    with pytest.raises(DataError, match=r"downloaded \(its mirrors sent something else\)" + remedy):
        load("mnist")
    assert list((tmp_path / "cache" / "downloads" / "mnist").iterdir()) == []


def test_no_place_for_a_download(tmp_path, known, mirror, monkeypatch):
    write(tmp_path / "served", known)
    monkeypatch.setattr(MNIST, "mirrors", (f"{mirror.url}/",))
    (tmp_path / "file").touch()
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "file"))
    place = tmp_path / "file" / "downloads" / "mnist"
    with pytest.raises(DataError, match=rf"cannot be downloaded into {place} \(.*set BRIANPROP_CACHE") as caught:
        load("mnist")
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------------ the real ones


def test_digits(tmp_path):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    first, again = load("digits"), load("digits")
    for digits in (first, again):  # from scikit-learn, then from the copy
        assert (digits.name, digits.origin) == ("digits", "scikit-learn")
        assert digits.train.images.shape == (1500, 8, 8)
        assert digits.test.images.shape == (297, 8, 8)
        images = np.concatenate([digits.train.images, digits.test.images])
        np.testing.assert_array_equal(images, bunch.images * 255 // 16)
        assert images.max() == 255
        np.testing.assert_array_equal(np.concatenate([digits.train.labels, digits.test.labels]), bunch.target)
        np.testing.assert_array_equal(digits.classes, np.arange(10))
    assert [path.name for path in (tmp_path / "cache" / "payloads").iterdir()] == [scikit_learn_digits.SHA256]
    assert find("digits") == "scikit-learn"


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"cannot be imported .*pip install scikit-learn"):
        load("digits")


@pytest.mark.parametrize(
    ("name", "first_labels", "first_sum", "test_counts"),
    [
        ("mnist", [5, 0, 4, 1, 9], 27525, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
        ("fashion-mnist", [9, 0, 0, 3, 0], 76247, [1000] * 10),
    ],
)
@pytest.mark.data
def test_published_sets(data_dir, name, first_labels, first_sum, test_counts):
    dataset = load(name, data_dir)
    assert dataset.train.images.shape == (60_000, 28, 28)
    assert dataset.test.images.shape == (10_000, 28, 28)
    assert dataset.train.labels[:5].tolist() == first_labels
    assert dataset.train.images[0].sum() == first_sum
    np.testing.assert_array_equal(dataset.classes, np.arange(10))
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), test_counts)
    parts = divide(dataset)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [55_000, 5_000, 10_000]


@pytest.mark.data
def test_letters_start_at_one(data_dir):
    dataset = load(str(data_dir / "emnist-letters-subset"))
    assert len(dataset.train.images) == 44_425
    assert len(dataset.test.images) == 3_900
    np.testing.assert_array_equal(dataset.classes, np.arange(1, 27))
    np.testing.assert_array_equal(np.unique(dataset.train.labels), np.arange(26))


# ------------------------------------------------------------------------------------------------------------ division


@pytest.fixture
def numbered():
    """24 training and 6 test images of one pixel, whose value is their number; labels are 100 more."""
    train, test = np.arange(24), np.arange(6)
    shape = (-1, 1, 1)
    return Dataset(
        name="numbered",
        train=Part(train.astype(np.uint8).reshape(shape), train + 100),
        test=Part(test.astype(np.uint8).reshape(shape), test + 100),
        classes=np.arange(124),
        origin="here",
    )


@pytest.mark.parametrize(
    ("options", "train", "validation", "test"),
    [
        ({}, range(22), range(22, 24), range(6)),
        ({"samples": 5}, range(5), range(22, 24), range(6)),
        ({"samples": 22}, range(22), range(22, 24), range(6)),
        ({"validation": 0}, range(24), range(0), range(6)),
        ({"validation": 23}, range(1), range(1, 24), range(6)),
        ({"samples": 3, "validation": 4, "test_samples": 2}, range(3), range(20, 24), range(2)),
    ],
)
def test_divide(numbered, options, train, validation, test):
    parts = divide(numbered, **options)
    for part, numbers in ((parts["train"], train), (parts["validation"], validation), (parts["test"], test)):
        assert part.images.shape[1:] == (1, 1)
        assert part.images.ravel().tolist() == list(numbers)
        assert part.labels.tolist() == [number + 100 for number in numbers]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples = 0 must be from 1 to 22, .*24 training images and 2 .* validation; set --samples"),
        ({"samples": 23}, "samples = 23 must be from 1 to 22, .*; set --samples or --validation"),
        ({"samples": 20, "validation": 5}, "samples = 20 must be from 1 to 19, .* 24 training images and 5 of them"),
        ({"validation": -1}, "validation = -1 must be from 0 to 23, .*; set --validation"),
        ({"validation": 24}, "validation = 24 must be from 0 to 23, .*; set --validation"),
        ({"test_samples": 0}, "test_samples = 0 must be from 1 to 6, .*; set --test-samples"),
        ({"test_samples": 7}, "test_samples = 7 must be from 1 to 6, .*; set --test-samples"),
    ],
)
def test_divide_refuses(numbered, options, message):
    with pytest.raises(ParameterError, match=message):
        divide(numbered, **options)
