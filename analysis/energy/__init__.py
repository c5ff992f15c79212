"""Energy and latency of a sample on a neuromorphic chip: counted operations times the published cost of each.

accounts.py   what a sample costs in each kind of run, from run directories
report.py     the tables and the figure, written to files
chip.py       the chip Loihi: cores, mesh, and what was measured on it
constants.py  energy and time of single operations
counts.py     what is counted, and the arithmetic of counts
gated.py      the operations of a gated circuit such as nBP
ssnn_bp.py    the operations of SSNN-BP
cost.py       from operations to energy and latency
figure.py     where the energy of a sample goes

The costs (`Constants`) are those of Intel's Loihi: M. Davies et al., "Loihi: A neuromorphic manycore processor with on-chip
learning", IEEE Micro 38(1), 82-99 (2018), doi 10.1109/MM.2018.112130359, Table 2. They come from pre-silicon SDF and SPICE
simulations of single operations; nothing here was measured. The operations are counted from recorded spikes and from the
simulated topology (`Circuit`, or the layers of SSNN-BP).

What is counted
---------------
Messages: for each projection, a spike sends one message to each core that holds targets of it. Populations are spread evenly
over all cores, so the number of messages is that of the targets, but at most that of the cores. A message costs the energy
within a tile plus that of the mean distance between two tiles drawn at random. It takes no time of its own, since messages
travel while cores compute.

Synaptic operations: a spike times its fan-out, over all projections (nBP) or crossbars (SSNN-BP) that it travels; *learned*
and *fixed* ones are counted apart. They belong to the target population, whose cores hold the synapses, and to the phase in
which the spike was fired, since a delay follows the operation.

Neuron updates: the chip updates all compartments in each time step. A neuron is *active* in a step in which at least one
spike reaches it and *inactive* in all others; Davies et al. name both costs without a definition. Sources are no compartments.

Weight updates: nBP learns in every time step, so each spike visits all learned synapses of its axon (trace x0 = 1, learning
on), whether or not the postsynaptic neuron fires (y0 = 1) and the weight changes. The visit is what costs; the coincidences
that change a weight are counted separately. In SSNN-BP an update is a coincidence, and weight decay is one update of each
weight for each sample. Learned biases of SSNN-BP are left out.

The inference of nBP is counted from a recording of the inference circuit if the run holds one. Otherwise it is counted from
phases 0 to 3 of the training samples, restricted to the populations of the inference circuit, with the gating chain as that
circuit fires it. Samples of SSNN-BP have no phases: ``forward`` holds the spikes of the layers, ``backward`` the signed streams
and what they cause. A composite neuron is updated once in a step, which is counted under ``forward``. The spike of the winning
output inhibits the others: n_out - 1 fixed operations. Its inference is the forward part of the recorded samples, during which
weights change.

Latency: in each time step, the times of all operations divided evenly among the cores, plus the barrier that ends the step.
Waiting for the busiest core is left out, so this is a lower bound.

What is left out: static power, the embedded x86 processors, and input and output. The published energy of an operation is the
minimum. So the model must come out below a measurement of the chip.
"""
