"""Runs for other tools: spikes as Neo and as Neurodata Without Borders (NWB), networks as NIR, metrics for TensorBoard.

write.py   `export`, the file of a run in one of the formats
nir.py     `to_nir`, the part of a network that answers as a graph of NIR
trains.py  a recording as one spike train per neuron
neo.py     a block of Neo
nwb.py     a file of NWB
tensorboard.py   event files

Of spikes: in NWB every neuron is a unit, in Neo every neuron that fired a spike train, named by its population and its index in
it. Time is that of the network: the epochs of the training follow one another without a gap, and each begins with the lead-in
of its first turn. A turn is a trial in NWB and an epoch in Neo, which is not an epoch of the training. It carries its number,
its label and the answer that the network gave while it learned.
"""

from brianprop.analysis.export.nir import to_nir
from brianprop.analysis.export.write import FORMATS, export

__all__ = ["FORMATS", "export", "to_nir"]
