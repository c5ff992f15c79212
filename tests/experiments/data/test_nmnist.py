"""N-MNIST and its subset: where they are found, in which order they are read, and what is refused in which words."""

import hashlib
import zipfile

import numpy as np
import pytest

from brianprop.experiments.data import nmnist
from brianprop.experiments.data.dataset import Dataset, Part
from brianprop.experiments.data.events import Events, bin_events
from brianprop.experiments.data.frames import frames
from brianprop.experiments.data.nmnist import SIDE, SUBSET, find, load, pictured
from brianprop.models.errors import DataError
from brianprop.models.ssnn_bp.parameters import unpack

from .recording_files import encode

#: Digits of the recordings 1, 2, ...: those of a small data set in the order of its files.
DIGITS = {"Train": [5, 0, 4, 1, 9, 2, 1, 3, 6, 7, 8, 8], "Test": [7, 2, 1, 0, 4, 3, 5, 6, 8, 9]}


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path, monkeypatch):
    """Keep the caches and variables of this computer, and the network, out of the tests."""
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BRIANPROP_DATA", raising=False)
    monkeypatch.setattr(nmnist, "MIRRORS", ())
    monkeypatch.setattr(nmnist, "WHOLE", {part: len(digits) for part, digits in DIGITS.items()})


def recording(part, number):
    """The content of a recording, different for each."""
    rng = np.random.default_rng([part == "Test", number])
    x, y = rng.integers(0, 34, (2, 30)).astype(np.uint8)
    return encode(Events(x, y, np.sort(rng.integers(0, 300_000, 30)), rng.integers(0, 2, 30).astype(np.uint8), SIDE, SIDE))


def files(part):
    """Names and contents of a part, not in the order of their numbers."""
    named = {f"{part}/{digit}/{number:05}.bin": recording(part, number) for number, digit in enumerate(DIGITS[part], start=1)}
    return dict(sorted(named.items()))


def write_folder(folder, part, members=None):
    for name, content in (members or files(part)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_archive(folder, part, members=None, compression=zipfile.ZIP_DEFLATED):
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{part}.zip", "w", compression) as archive:
        for name, content in (members or files(part)).items():
            archive.writestr(name, content)
    return folder / f"{part}.zip"


def write_both(folder, write=write_archive):
    for part in DIGITS:
        write(folder, part)
    return folder


def check(dataset):
    assert dataset.name == "n-mnist"
    np.testing.assert_array_equal(dataset.classes, np.arange(10))
    for part, recordings, labels in (
        ("Train", dataset.train.images, dataset.train.labels),
        ("Test", dataset.test.images, dataset.test.labels),
    ):
        assert labels.tolist() == DIGITS[part]
        assert labels.dtype == dataset.classes.dtype == np.int64
        contents = [recording(part, number) for number in range(1, len(labels) + 1)]
        assert [encode(events) for events in recordings] == contents


# ------------------------------------------------------------------------------------------------------------- layout


@pytest.mark.parametrize("write", [write_archive, write_folder])
@pytest.mark.parametrize("subfolder", ["nmnist", "N-MNIST"])
@pytest.mark.parametrize("variable", [False, True])
def test_archives_and_folders_in_the_order_of_mnist(tmp_path, write, subfolder, variable, monkeypatch):
    folder = write_both(tmp_path / subfolder, write)
    data_dir = None if variable else tmp_path
    if variable:
        monkeypatch.setenv("BRIANPROP_DATA", str(tmp_path))
    assert find(data_dir) == str(folder)
    dataset = load(data_dir)
    check(dataset)
    assert dataset.origin == str(folder)


@pytest.mark.parametrize("write", [write_archive, write_folder])
@pytest.mark.parametrize("subfolder", ["NMNIST", "n_mnist", ""])
def test_the_folders_of_tonic_and_the_data_folder_itself(tmp_path, write, subfolder):
    folder = write_both(tmp_path / subfolder, write)
    if write is write_archive and subfolder == "NMNIST":
        for part in DIGITS:
            (folder / f"{part}.zip").rename(folder / f"{part.lower()}.zip")
    assert find(tmp_path) == str(folder)
    check(load(tmp_path))


def test_a_recording_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(nmnist, "LARGEST", 200)
    big = {"Test/7/00001.bin": recording("Test", 1) * 2}
    for write, place in ((write_folder, "folder"), (write_archive, "archive")):
        folder = write_both(tmp_path / place / "nmnist", write)
        write(folder, "Test", files("Test") | big)
        with pytest.raises(DataError, match=r"Test/7/00001.bin\S* .*has 300 bytes, but no recording of N-MNIST has more"):
            load(tmp_path / place).test.images[0]


@pytest.mark.parametrize("seed", range(4))
def test_damage_anywhere_in_an_archive_is_one_sentence(tmp_path, seed):
    folder = write_both(tmp_path / "nmnist")
    path, rng = folder / "Train.zip", np.random.default_rng(seed)
    whole = path.read_bytes()
    for number in range(50):
        content = bytearray(whole)
        for place in rng.integers(len(content), size=1 + number % 4):
            content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            list(load(tmp_path).train.images)
        except DataError as error:
            assert "\n" not in str(error)


def test_one_part_may_be_an_archive_and_the_other_a_folder(tmp_path):
    write_archive(tmp_path / "nmnist", "Test")
    write_folder(tmp_path / "nmnist", "Train")
    check(load(tmp_path))


def test_an_archive_counts_before_a_folder_beside_it(tmp_path):
    folder = write_both(tmp_path / "nmnist")
    write_folder(folder, "Train", {"Train/0/00001.bin": b""})
    check(load(tmp_path))


def test_archives_of_another_packer(tmp_path):
    """With a folder around, entries for folders, hidden files and stored without compression."""
    for part in DIGITS:
        members = {f"N-MNIST/{name}": content for name, content in files(part).items()}
        junk = [f"N-MNIST/{part}/0/", f"__MACOSX/{part}/0/._00002.bin", f"{part}/0/readme.txt", f"{part}/10/1.bin"]
        write_archive(tmp_path / "nmnist", part, {**dict.fromkeys(junk, b""), **members}, zipfile.ZIP_STORED)
    check(load(tmp_path))


def test_recordings_are_read_lazily(tmp_path):
    folder = write_both(tmp_path / "nmnist", write_folder)
    dataset = load(tmp_path)
    (folder / "Train" / "0" / "00002.bin").write_bytes(b"123")
    assert len(dataset.train.images[2:]) == 10
    assert encode(dataset.train.images[2:][0]) == recording("Train", 3)
    with pytest.raises(DataError, match=f"File {folder}/Train/0/00002.bin is truncated"):
        dataset.train.images[1]


def test_bins_of_a_data_set(tmp_path):
    write_both(tmp_path / "nmnist")
    recordings = load(tmp_path).test.images
    for found, events in zip(unpack(frames(recordings, 6), 6), recordings, strict=True):
        np.testing.assert_array_equal(found, bin_events(events, 6))
        assert found.any()


# ------------------------------------------------------------------------------------------------------------- subset


def write_subset(folder, write=write_archive):
    """Both parts without the last recording for training, which is the second of its digit."""
    members = files("Train")
    del members[f"Train/8/{len(DIGITS['Train']):05}.bin"]
    write(folder, "Train", members)
    write(folder, "Test")
    return folder


@pytest.mark.parametrize("write", [write_archive, write_folder])
@pytest.mark.parametrize("subfolder", ["nmnist-subset", "N-MNIST-subset"])
def test_a_subset_lies_in_a_folder_of_its_own(tmp_path, write, subfolder, monkeypatch):
    folder = write_subset(tmp_path / subfolder, write)
    for variable in (False, True):
        if variable:
            monkeypatch.setenv("BRIANPROP_DATA", str(tmp_path))
        data_dir = None if variable else tmp_path
        assert find(data_dir, SUBSET) == str(folder)
        dataset = load(data_dir, SUBSET)
        assert (dataset.name, dataset.origin) == (SUBSET, str(folder))
        assert dataset.train.labels.tolist() == DIGITS["Train"][:-1] and dataset.test.labels.tolist() == DIGITS["Test"]
        assert [encode(events) for events in dataset.test.images] == [recording("Test", number) for number in range(1, 11)]


def test_the_whole_set_and_a_subset_are_not_mistaken_for_each_other(tmp_path, monkeypatch):
    subset = write_subset(tmp_path / "one" / "nmnist-subset")
    whole = write_both(tmp_path / "other" / "nmnist")
    # neither is found under the name of the other
    assert find(subset.parent) is None and find(whole.parent, SUBSET) is None
    with pytest.raises(DataError, match=f"N-MNIST is not in {subset.parent}: put Train.zip"):
        load(subset.parent)
    remedy = "put a folder nmnist-subset there, with recordings Train/DIGIT/NUMBER.bin .* or use n-mnist"
    with pytest.raises(DataError, match=f"n-mnist-subset is not in {whole.parent}: {remedy}"):
        load(whole.parent, SUBSET)
    with pytest.raises(DataError, match=f"n-mnist-subset is not in a folder that BRIANPROP_DATA names: {remedy}"):
        load(None, SUBSET)
    # nor under a wrong name of its folder: the numbers of recordings tell them apart
    for folder in (subset, write_subset(tmp_path / "third" / "nmnist").parent):
        with pytest.raises(
            DataError, match=r"holds 11 recordings .* and 10 for the test, but N-MNIST has 12 and 10; complete it"
        ):
            load(folder)
    write_both(tmp_path / "fourth" / "nmnist-subset")
    with pytest.raises(
        DataError, match="fourth/nmnist-subset holds all recordings of N-MNIST and no subset; rename the folder"
    ):
        load(tmp_path / "fourth", SUBSET)


def test_a_subset_without_a_part_or_a_digit(tmp_path):
    write_archive(tmp_path / "nmnist-subset", "Train")
    assert find(tmp_path, SUBSET) is None
    with pytest.raises(DataError, match=f"Neither Test.zip nor a folder Test is in {tmp_path}/nmnist-subset; put that of n-mn"):
        load(tmp_path, SUBSET)
    write_archive(tmp_path / "nmnist-subset", "Test", {name: b"" for name in files("Test") if "/3/" not in name})
    with pytest.raises(DataError, match=r"holds no recordings Test/3/\*.bin; put them there .* of n-mnist-subset"):
        load(tmp_path, SUBSET)


def small_mnist():
    """A data set in the order of the recordings; every pixel has the number of the image."""
    parts = (
        Part(np.arange(1, 1 + len(digits))[:, None, None] * np.ones((1, 2, 2)), np.array(digits)) for digits in DIGITS.values()
    )
    return Dataset("mnist", *parts, np.arange(10), "here")


def test_the_images_of_the_recordings_are_found_by_their_numbers(tmp_path):
    folder = tmp_path / "nmnist-subset"
    kept = {name: content for name, content in files("Train").items() if name[-9:] not in ("00002.bin", "00012.bin")}
    write_folder(folder, "Train", kept | {"Train/0/00002.bin": b""})
    write_folder(folder, "Test")
    (folder / "Train" / "1" / "00004.bin").unlink()  # a 1 remains
    shown = pictured(small_mnist(), tmp_path)
    assert shown.train.images[:, 0, 0].tolist() == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert shown.test.images[:, 1, 1].tolist() == list(range(1, 11))
    assert shown.train.labels.tolist() == load(tmp_path, SUBSET).train.labels.tolist()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Test/7/00011.bin", "has no number of an image of MNIST, from 1 to 10"),
        ("Test/7/00000.bin", "has no number of an image of MNIST, from 1 to 10"),
        ("Test/7/one.bin", "has no number of an image of MNIST"),
        ("Test/7/00002.bin", "is said to be a 7, but image 2 of MNIST is a 2"),
    ],
)
def test_recordings_whose_images_are_not_known(tmp_path, name, words):
    folder = write_subset(tmp_path / "nmnist-subset", write_folder)
    (folder / name).write_bytes(b"")
    with pytest.raises(DataError, match=f"^Recording {name} in {folder} {words}.*; give it the number"):
        pictured(small_mnist(), tmp_path)


# ------------------------------------------------------------------------------------------------------ real recordings


def decoded(content):
    """A recording as the description of the archive has it: 40 bits an event, x, y, polarity and 23 bits of time."""
    found, later = [], 0
    for start in range(0, len(content), 5):
        bits = int.from_bytes(content[start : start + 5], "big")
        x, y, on, t = bits >> 32, bits >> 24 & 0xFF, bits >> 23 & 1, bits & (1 << 23) - 1
        if y == 240:
            later += 1 << 13
        else:
            found.append((t + later, x, y, on))
    return sorted(found, key=lambda event: event[0])


@pytest.mark.data
def test_real_recordings_are_read_as_the_format_is_described(data_dir, monkeypatch):
    if not (data_dir / "nmnist-subset").is_dir():
        pytest.skip("no recordings: put nmnist-subset into the data folder")
    monkeypatch.undo()
    dataset = load(data_dir, SUBSET)
    names = {part: sorted((data_dir / "nmnist-subset" / part).rglob("*.bin"), key=lambda path: path.name) for part in DIGITS}
    for part, paths in ((dataset.train, names["Train"]), (dataset.test, names["Test"])):
        assert part.labels.tolist() == [int(path.parent.name) for path in paths]
        for number in range(0, len(paths), 9):
            events = part.images[number]
            mine = list(zip(*(getattr(events, name).tolist() for name in ("t", "x", "y", "polarity")), strict=True))
            assert mine == decoded(paths[number].read_bytes())
            assert 1_000 < len(mine) < 10_000 and 290_000 < events.t[-1] < 320_000


# ------------------------------------------------------------------------------------------------------------ refusals


def test_data_dir_is_final(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANPROP_DATA", str(write_both(tmp_path / "elsewhere" / "nmnist").parent))
    write_both(tmp_path / "cache" / "downloads" / "n-mnist")
    (tmp_path / "data").mkdir()
    write_archive(tmp_path / "data", "Train")  # not in a folder of that name and alone: Train may be anything
    assert find(tmp_path / "data") is None
    with pytest.raises(
        DataError,
        match=rf"N-MNIST is not in {tmp_path}/data: put Train.zip .* its subfolder nmnist, leave .* or use emulated events",
    ):
        load(tmp_path / "data")


@pytest.mark.parametrize("write", [write_archive, write_folder])
def test_a_missing_part_is_named_and_not_passed_over(tmp_path, write, monkeypatch):
    write(tmp_path / "nmnist", "Train")
    write_both(tmp_path / "cache" / "downloads" / "n-mnist")
    monkeypatch.setenv("BRIANPROP_DATA", str(tmp_path))
    assert find() is None
    with pytest.raises(DataError, match=f"Neither Test.zip nor a folder Test is in {tmp_path}/nmnist; put"):
        load()


@pytest.mark.parametrize(("write", "suffix"), [(write_archive, ".zip"), (write_folder, "")])
def test_a_digit_without_recordings_is_named(tmp_path, write, suffix):
    write(tmp_path / "nmnist", "Train")
    write(tmp_path / "nmnist", "Test", {name: content for name, content in files("Test").items() if "/3/" not in name})
    with pytest.raises(DataError, match=rf"^{tmp_path}/nmnist/Test{suffix} holds no recordings Test/3/\*.bin; put them there"):
        load(tmp_path)


@pytest.mark.parametrize(("write", "suffix"), [(write_archive, ".zip"), (write_folder, "")])
def test_a_part_without_recordings(tmp_path, write, suffix):
    write(tmp_path / "nmnist", "Train", {"Train/0/readme.txt": b"", "Test/0/00001.bin": b""})
    write(tmp_path / "nmnist", "Test")
    with pytest.raises(DataError, match=rf"nmnist/Train{suffix} holds no recordings Train/0/\*.bin to Train/9/\*.bin; replace"):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 10, -10])
def test_an_archive_that_is_none_or_truncated(tmp_path, keep):
    folder = write_both(tmp_path / "nmnist")
    path = folder / "Train.zip"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        DataError, match=rf"Archive {path} cannot be read \(File is not a zip file\); make it readable or replace"
    ):
        load(tmp_path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_named_when_it_is_asked_for(tmp_path, compression):
    folder = write_both(tmp_path / "nmnist")
    path = write_archive(folder, "Train", compression=compression)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("Train/4/00003.bin").header_offset + 30 + len("Train/4/00003.bin")
    content = bytearray(path.read_bytes())
    content[start] ^= 0b110
    path.write_bytes(content)
    recordings = load(tmp_path).train.images
    assert encode(recordings[0]) == recording("Train", 1)
    with pytest.raises(DataError, match=rf"File Train/4/00003.bin in {path} cannot be read \(.*\); replace the archive"):
        recordings[2]


def test_a_recording_of_an_archive_that_is_no_recording(tmp_path):
    folder = write_both(tmp_path / "nmnist")
    path = write_archive(folder, "Test", {**files("Test"), "Test/7/00001.bin": b"\x22\0\0\0\0"})
    with pytest.raises(DataError, match=rf"File Test/7/00001.bin in {path} is damaged: the event at byte 0 lies at x = 34"):
        load(tmp_path).test.images[0]


# ------------------------------------------------------------------------------------------------------------ download


@pytest.fixture
def served(tmp_path, mirror, monkeypatch):
    """The server, with the archives in its folder ``good`` made the published ones, and `mirrors` of its folders."""
    folder = write_both(tmp_path / "served" / "good")
    sums = {part: hashlib.md5((folder / f"{part}.zip").read_bytes()).hexdigest() for part in DIGITS}
    monkeypatch.setattr(nmnist, "MD5", sums)
    mirror.mirrors = lambda *names: tuple({part: f"{mirror.url}/{name}/{part}.zip" for part in DIGITS} for name in names)
    return mirror


def test_a_download_is_checked_and_kept(tmp_path, served, monkeypatch, capsys):
    write_archive(tmp_path / "served" / "bad", "Train")
    write_archive(tmp_path / "served" / "bad", "Test", {"Test/0/00001.bin": b""})
    mirrors = served.mirrors("absent", "bad", "good")
    monkeypatch.setattr(nmnist, "MIRRORS", mirrors)
    monkeypatch.setitem(nmnist.MD5, "Train", hashlib.md5((tmp_path / "served" / "bad" / "Train.zip").read_bytes()).hexdigest())
    assert find() is None
    dataset = load()
    check(dataset)
    assert dataset.origin == find() == str(tmp_path / "cache" / "downloads" / "n-mnist")
    assert served.requested == ["/absent/Train.zip", "/bad/Train.zip", "/bad/Test.zip", "/good/Test.zip"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1].removeprefix(served.url) for line in lines] == ["/bad/Train.zip", "/bad/Test.zip", "/good/Test.zip"]
    sizes = [(tmp_path / "served" / place).stat().st_size for place in ("bad/Train.zip", "bad/Test.zip", "good/Test.zip")]
    assert [line.split("(")[1].split(" bytes")[0] for line in lines] == [f"{size:,}" for size in sizes]
    check(load())
    assert len(served.requested) == 4


def test_an_interrupted_download_is_completed(tmp_path, served, monkeypatch):
    monkeypatch.setattr(nmnist, "MIRRORS", served.mirrors("good"))
    path = write_archive(tmp_path / "cache" / "downloads" / "n-mnist", "Train", compression=zipfile.ZIP_STORED)
    content = path.read_bytes()
    check(load())
    assert served.requested == ["/good/Test.zip"]
    assert path.read_bytes() == content  # neither hashed nor fetched again


def test_mirrors_that_fail(tmp_path, served, monkeypatch):
    remedy = r": put Train.zip and Test.zip into the subfolder nmnist .* --data-dir or BRIANPROP_DATA, or use emulated events"
    monkeypatch.setattr(nmnist, "MIRRORS", served.mirrors("absent"))
    with pytest.raises(DataError, match=r"N-MNIST cannot be downloaded \(HTTP status 404\)" + remedy):
        load()
    write_archive(tmp_path / "served" / "bad", "Train", {"Train/0/00001.bin": b"login first"})
    monkeypatch.setattr(nmnist, "MIRRORS", served.mirrors("bad"))
    with pytest.raises(DataError, match=r"N-MNIST cannot be downloaded \(its mirrors sent something else\)" + remedy) as caught:
        load()
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache" / "downloads" / "n-mnist").iterdir()) == []


def test_no_place_for_a_download(tmp_path, served, monkeypatch):
    monkeypatch.setattr(nmnist, "MIRRORS", served.mirrors("good"))
    (tmp_path / "file").touch()
    monkeypatch.setenv("BRIANPROP_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"N-MNIST cannot be downloaded into .*set BRIANPROP_CACHE"):
        load()
