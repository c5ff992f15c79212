"""Spikes as a block of Neo in a file of NIX."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brianprop.analysis.export.trains import Trains
from brianprop.analysis.runs.run import Run

__all__ = ["write_neo"]


def write_neo(run: Run, title: str, trains: Trains, path: Path) -> None:
    """Write the spike trains of a run as one segment, with an epoch (of Neo) for each sample."""
    import quantities as pq
    from neo.core import Block, Epoch, Segment, SpikeTrain
    from neo.io import NixIO

    block = Block(
        name=title, description="spikes of a simulated network that learns", commit=str(run.environment.get("commit"))
    )
    segment = Segment(name="training")
    block.segments.append(segment)
    for (population, neuron), times in zip(trains.units, trains.times, strict=True):
        segment.spiketrains.append(
            SpikeTrain(
                times * pq.s,
                t_stop=trains.stop * pq.s,
                name=f"{population} {neuron}",
                population=population,
                neuron=neuron,
            )
        )
    samples = Epoch(
        times=trains.samples[:, 0] * pq.s,
        durations=(trains.samples[:, 1] - trains.samples[:, 0]) * pq.s,
        labels=np.array([f"epoch {epoch}" for epoch in trains.training_epoch]),
        name="turns",
    )
    segment.epochs.append(samples)
    with NixIO(str(path), mode="ow") as file:
        file.write_block(block)
