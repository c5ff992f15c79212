"""
A circuit of one's own
======================

A circuit is data: populations, and arrows with a kind and a delay. This one learns one layer of weights by the delta rule, in
seven time steps for each sample; :doc:`/circuits` explains every line and checks the circuit against an oracle.
``device="numpy"`` runs it without a compiler.
"""

import matplotlib.style
import numpy as np

from brianprop.analysis.figures.connectivity import plot_functional
from brianprop.analysis.figures.output import STYLE
from brianprop.experiments.data import encoding
from brianprop.experiments.data import images as datasets
from brianprop.models.checks import require_sound
from brianprop.models.circuit import Circuit, Population, arrows
from brianprop.models.gating import LEAD, chain_arrows, chain_populations
from brianprop.models.nbp.circuit import CONNECTIVITY, fixed_weights
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import Rules
from brianprop.models.simulation import simulator

matplotlib.style.use(STYLE)

PERIOD = 7
rules = Rules()

ARROWS = """
plastic   0  x       -> o
copy      0  input   -> x                 # phase 1
copy      0  target  -> t                 # phase 2
copy      0  x       -> m_x               # phase 2
copy      0  t       -> d2_pos            # phase 3
copy      0  o       -> d2_neg            # phase 3
inhibit   0  o       -> d2_pos            # d2_pos = t AND NOT o
inhibit   0  t       -> d2_neg            # d2_neg = o AND NOT t
copy      1  m_x     -> x                 # phase 4
copy      0  d2_pos  -> o                 # phase 4: potentiation
copy      3  m_x     -> x                 # phase 6
copy      2  d2_neg  -> o                 # phase 6: depression
gate      0  g1      -> x
gate      0  g2      -> o t m_x
gate      0  g3      -> d2_pos d2_neg
gate      0  g4      -> x o
gate      0  g6      -> x o
silence   0  g5      -> o
silence   0  g0      -> o
"""

sources = (
    Population("input", 64, "source", send_phase=0),
    Population("target", 10, "source", send_phase=1),
    Population("kick", 1, "source", send_phase=PERIOD - LEAD),
)
sizes = {"x": 64, "m_x": 64, "o": 10, "t": 10, "d2_pos": 10, "d2_neg": 10}
gated = tuple(Population(name, size, bias=rules.bias, refractory=rules.refractory) for name, size in sizes.items())
firing = {0: ("input",), 1: ("x", "target"), 2: ("o", "t", "m_x"), 3: ("d2_pos", "d2_neg"), 4: ("x", "o"), 5: (), 6: ("x", "o")}

circuit = Circuit(
    name="delta-rule",
    populations=sources + gated + chain_populations(PERIOD),
    projections=tuple(arrows(ARROWS + chain_arrows(PERIOD), CONNECTIVITY, fixed_weights(rules), matrices={("x", "o"): "W"})),
    period=PERIOD,
    lead=LEAD,
    reinforced=(4,),
    readout="o",
    readout_phase=2,
    firing={phase: (*names, f"g{(phase + 1) % PERIOD}") for phase, names in firing.items()},
)
require_sound(circuit, rules.theta)
figure = plot_functional(circuit)

# %%
# One pass over 200 digits, each answered before it is learned:

dataset = datasets.load("digits")
images = encoding.binarise(dataset.train.images[:200], [0.5])
targets = encoding.one_hot(dataset.train.labels[:200], 10)

model = GatedModel(circuit, rules)
with simulator(model, device="numpy") as ready:
    result = ready.run(
        {("x", "o"): np.zeros((64, 10), dtype=int)},
        model.stimuli({"input": images, "target": targets}),
        np.arange(len(images)),
    )
right = np.argmax(result.drive, axis=1) == dataset.train.labels[:200]
print(f"{np.mean(right[:50]):.0%} right in the first 50 turns, {np.mean(right[-50:]):.0%} in the last 50")
