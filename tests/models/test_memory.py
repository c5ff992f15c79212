"""Memory that is free, and what does not fit into it."""

from brianprop.models import memory


def test_free_memory_is_what_a_container_leaves(tmp_path, monkeypatch):
    whole = memory.available()
    assert whole > 2**20
    limit, used = tmp_path / "limit", tmp_path / "used"
    monkeypatch.setattr(memory, "GROUPS", ((limit, used),))
    used.write_text("1000\n")
    for words, expected in (("5000\n", 4000), ("500\n", 0)):
        limit.write_text(words)
        assert memory.available() == expected
    for words in ("max\n", f"{2**63 - 4096}\n"):
        limit.write_text(words)
        assert memory.available() > 2**20
