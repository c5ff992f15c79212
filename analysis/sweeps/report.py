"""How far a sweep is, and which places are best, in lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from brianprop.analysis.sweeps.directory import SweepDirectory

__all__ = ["report"]

#: Number of places that `report` lists.
LISTED = 5


def report(directory: SweepDirectory) -> Iterator[str]:
    """How far a sweep is, line by line: counts, interrupted, failed and damaged runs, and the best places.

    Raises
    ------
    RunError
        If a run cannot be read.
    """
    status = directory.status()
    for name in ("finished", "running", "interrupted", "failed", "waiting"):
        yield f"{name:12} {len(getattr(status, name))}"
    for key in status.interrupted:
        yield f"interrupted  {directory.words(key)}"
    for key, reason in status.failed.items():
        yield f"failed       {directory.words(key)}: {reason}"
    damaged = {key: fault for key in status.finished if (fault := directory.damage(key))}
    for key, fault in damaged.items():
        yield f"damaged      {directory.words(key)}: {fault}; 'brianprop sweep resume {directory.path}' runs it again"
    if not status.finished or damaged:
        return
    objective = directory.plan["objective"]
    yield f"{'best places':12} {objective['split']} {objective['metric']}, mean over seeds ± standard deviation"
    places = directory.places(directory.table()).to_dict("records")
    complete = [place for place in places if place["n"] == place["planned"]][:LISTED]
    incomplete = [place for place in places if place["n"] < place["planned"]]
    # at least one incomplete place is shown beside the best complete ones
    for number, place in enumerate([*complete, *incomplete[: max(1, LISTED - len(complete))]], 1):
        spread = f" ± {place['sd']:.4g}" if place["n"] > 1 else ""
        n = f"incomplete, {place['n']} of {place['planned']}" if place["n"] < place["planned"] else str(place["n"])
        where = f" at {place['place']}" if place["place"] else ""
        yield f"{number:<12} {place['mean']:.4g}{spread} (n = {n}){where}"
