"""TOML files as users and editors write them."""

import pytest

from brianprop.analysis.toml_files import DEEPEST, LARGEST, read_toml


def written(tmp_path, content):
    path = tmp_path / "file.toml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_and_ends_of_lines_do_not_matter(mark, end, tmp_path):
    path = written(tmp_path, mark + end.join([b"[base]", b'dataset = "digits"', b""]))
    assert read_toml(path) == {"base": {"dataset": "digits"}}


BAD = {
    "latin-1": (b'a = 1\nb = "\xe9"\n', "the byte 0xe9 is no UTF-8, at line 2; save it as UTF-8"),
    "utf-16": ("a = 1\n".encode("utf-16"), "is no UTF-8, at line 1"),
    "no TOML": (b"a = 1\nb 2\n", "line 2"),
    "an end that is too early": (b"a = 1\nb = ", "line 2"),
    "a name twice": (b"a = 1\n\na = 2\n", "line 3"),
    "nested lists": (b"a = 1\nb = " + 10000 * b"[" + 10000 * b"]" + b"\n", "nested too deeply, at line 2"),
    "nested tables": (b"a = 1\nb.c = 2\n" + b"d." * 100 + b"e = 1\nf = 3\n", "nested too deeply, at line 3"),
    "a number too long": (b"a = 1\nb = 2\nc = " + 5000 * b"1" + b"\n", "line 3"),
    "a file too large": (b"#" * (LARGEST + 1), "it has more than"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_its_line(name, tmp_path):
    content, words = BAD[name]
    with pytest.raises(ValueError) as error:
        read_toml(written(tmp_path, content))
    assert words in str(error.value) and len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_some_nesting_is_allowed(tmp_path):
    assert read_toml(written(tmp_path, b"d." * (DEEPEST - 2) + b"e = 1\n"))
