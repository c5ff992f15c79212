"""Archives of arrays are refused by their headers, before anything is allocated."""

import numpy as np
import pytest

from brianprop.analysis.runs.npz import DamagedError, read_npz
from brianprop.models import memory
from brianprop.models.errors import ParameterError


def test_an_archive_is_refused_by_its_headers(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(read_npz(path)["a"], np.arange(6).reshape(2, 3))
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("an array was read"))
    with pytest.raises(DamagedError, match="too wide"):
        read_npz(path, lambda headers: "too wide" if headers["a"].shape[1] > 2 else None)
    monkeypatch.setattr(memory, "available", lambda: 47)
    with pytest.raises(ParameterError, match="free some"):
        read_npz(path)
    np.savez(path, a=np.array([{}]), allow_pickle=True)
    with pytest.raises(DamagedError, match="objects"):
        read_npz(path)
