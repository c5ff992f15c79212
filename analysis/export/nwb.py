"""Spikes as a file of Neurodata Without Borders (NWB)."""

# pyright: reportCallIssue=false
# (PyNWB declares its arguments at run time, where pyright does not see them)

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from brianprop.analysis.export.trains import Trains
from brianprop.analysis.runs.run import Run
from brianprop.analysis.systems import SYSTEMS

__all__ = ["write_nwb"]


def write_nwb(run: Run, title: str, trains: Trains, classes: Sequence[str], path: Path) -> None:
    """Write the spike trains of a run as units, with a trial for each sample."""
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject
    from pynwb.misc import Units

    file = NWBFile(
        session_description=title,
        identifier=f"{title}, {run.environment.get('commit')}",
        # a simulation has no date; that of the file would make equal exports differ
        session_start_time=datetime(1970, 1, 1, tzinfo=UTC),
        experiment_description="spikes of a simulated network that learns",
        source_script=f"brianprop {run.environment.get('versions', {}).get('brianprop', '')}".strip(),
        source_script_file_name="brianprop",
        keywords=["simulation", "spiking neural network", "backpropagation", SYSTEMS[run.system].title],
        # tools and archives ask for a subject; it says itself that it is none
        subject=Subject(
            subject_id=f"simulated-network-seed{run.config['training']['seed']}",
            description="a simulated network, no living being",
            species="http://purl.obolibrary.org/obo/NCBITaxon_32630",  # synthetic construct
            sex="U",
            age="P0D",
        ),
    )
    file.units = Units(name="units", description="neurons of the network", resolution=trains.dt)
    file.add_unit_column("population", "population of the neuron")
    file.add_unit_column("neuron", "number of the neuron in its population")
    for (population, neuron), times in zip(trains.units, trains.times, strict=True):
        file.add_unit(spike_times=times, obs_intervals=[[0.0, trains.stop]], population=population, neuron=neuron)
    file.add_trial_column("training_epoch", "epoch of the training")
    file.add_trial_column("turn", "number of the sample in its epoch")
    file.add_trial_column("label", "class of the sample")
    file.add_trial_column("answer", "class that the network answered while it learned; none where no output neuron fired")
    told = (trains.training_epoch, trains.turn, trains.target, trains.answer)
    for (start, stop), epoch, turn, *known in zip(trains.samples, *told, strict=True):
        label, answer = ("none" if number < 0 else classes[number] for number in known)
        options = {"training_epoch": int(epoch), "turn": int(turn), "label": label, "answer": answer}
        file.add_trial(start_time=start, stop_time=stop, **options)
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
