"""Where the populations of nBP stand in the figures of its circuit, and the symbols that name them, for any number of layers.

With one hidden layer the places are chosen by hand. Each further hidden layer repeats those of the first one to its right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from brianprop.models.circuit import Circuit

__all__ = ["bend", "error_populations", "places_of", "shift", "symbol"]

#: A population of a layer: x, h, h2, o; its copies h2_lt and h2_gt, its memory m_h2, its box gate b_h2, and h2T_neg.
OF_LAYER = re.compile(r"(?P<before>[mb]_)?(?P<layer>[xho])(?P<number>\d*)(?P<after>_lt|_gt|T_neg)?")

#: A local gradient: d1 of a hidden layer; d2_pos and d2_neg of the output.
GRADIENT = re.compile(r"d(?P<number>\d+)(?P<sign>_pos|_neg)?")

AFTER = {None: "", "_lt": "^{<}", "_gt": "^{>}", "T_neg": "^{T-}"}

#: Positions of the populations with one hidden layer: columns from the input to the output, and the gating chain in a row below
#: them. The three copies of a layer lie on a slope, so that the arrows of the gating chain reach each of them from below.
PLACES = {
    "input": (0.0, 4.1),
    "x": (2.0, 4.1),
    "m_x": (1.2, 1.9),
    "h_gt": (3.6, 2.9),
    "h": (4.4, 4.1),
    "h_lt": (5.2, 5.3),
    "b_h": (3.6, 6.5),
    "m_h": (6.3, 3.0),
    "d1": (4.7, 0.9),
    "o_lt": (7.8, 5.3),
    "o": (8.4, 4.1),
    "o_gt": (9.0, 2.9),
    "oT_neg": (7.6, 0.9),
    "d2_pos": (10.8, 5.2),
    "d2_neg": (11.4, 2.4),
    "t": (11.6, 6.6),
    "target": (13.6, 6.6),
    "kick": (0.0, -0.7),
}
#: Place of hT_neg, which only the second and later hidden layers have, as one in the first would stand.
NEGATIVE = (2.8, 0.9)

#: Distance from one hidden layer to the next. The populations of the output and all that follows move with the last one.
LAYER_STEP = 5.0
FIXED = ("input", "x", "m_x", "kick")

#: Height of the row of the gating chain, and position of its last neuron.
CHAIN_ROW, CHAIN_STOP = -0.7, 13.6

#: Bend of an arrow to its right as a fraction of its length. `BENDS` holds those that would otherwise cross a population.
BEND = 0.12
BENDS = {
    ("h", "o_gt"): -0.1,
    ("h", "o"): -0.05,
    ("h", "o_lt"): 0.05,
    ("b_h", "h_gt"): 0.12,
    ("b_h", "h_lt"): -0.2,
    ("h_gt", "b_h"): -0.45,
    ("o", "d1"): -0.15,
    ("d2_pos", "oT_neg"): -0.3,
    ("o_lt", "d2_neg"): -0.2,
    ("d2_neg", "o_lt"): 0.1,
}


def symbol(name: str) -> str:
    """The paper's symbol of a population as mathematical text, or the name itself where there is none."""
    if gating := re.fullmatch(r"g(\d+)", name):
        return f"$g_{{{gating[1]}}}$"
    if gradient := GRADIENT.fullmatch(name):
        sign = {None: "", "_pos": "+", "_neg": "-"}[gradient["sign"]]
        power = gradient["number"] + sign
        return f"$d^{power}$" if len(power) == 1 else f"$d^{{{power}}}$"
    if match := OF_LAYER.fullmatch(name):
        number = f"_{{{match['number']}}}" if match["number"] else ""
        if match["before"]:
            return f"${match['before'][0]}^{match['layer']}{number}$"
        return f"${match['layer']}{number}{AFTER[match['after']]}$"
    return "$t$" if name == "t" else name.replace("$", r"\$")


def error_populations(names: Iterable[str]) -> tuple[str, str]:
    """The populations whose spikes are the errors of the output, positive and negative, such as d2_pos and d2_neg."""
    numbers = [gradient["number"] for name in names if (gradient := GRADIENT.fullmatch(name)) and gradient["sign"]]
    number = numbers[0] if numbers else "2"
    return f"d{number}_pos", f"d{number}_neg"


def shift(circuit: Circuit) -> float:
    """How far the output stands to the right of where it is with one hidden layer."""
    last = int(error_populations(population.name for population in circuit.populations)[0][1:].removesuffix("_pos"))
    return LAYER_STEP * (last - 2)


def places_of(circuit: Circuit, chain_start: float) -> dict[str, tuple[float, float]]:
    """Position of each population; those that are unknown stand in a row above all others."""
    found, others, moved = {}, [], shift(circuit)
    chain = [population.name for population in circuit.populations if population.role == "gating"]
    for population in circuit.populations:
        name = population.name
        if name in chain:
            step = (CHAIN_STOP + moved - chain_start) / max(len(chain) - 1, 1)
            found[name] = (chain_start + step * chain.index(name), CHAIN_ROW)
        elif _as_published(name) in PLACES or _as_published(name) == "hT_neg":
            role, layer = _as_published(name), _hidden_layer(name)
            x, y = PLACES.get(role, NEGATIVE)
            by = 0.0 if name in FIXED else moved if layer is None else LAYER_STEP * (layer - 1)
            found[name] = (x + by, y)
        else:
            others.append(name)
    top = max((y for _, y in found.values()), default=0.0) + 1.5
    return found | {name: (1.7 * number, top) for number, name in enumerate(others)}


def bend(source: str, target: str) -> float:
    """Bend of the arrow between two populations, as between their counterparts in the circuit of one hidden layer."""
    one, other = _as_published(source), _as_published(target)
    first, second = _hidden_layer(source), _hidden_layer(target)
    if first is not None and second is not None and first != second:
        # the later of two hidden layers is to the earlier one what the output is
        if first < second:
            other = other.replace("h", "o", 1)
        else:
            one = one.replace("h", "o", 1)
    return BENDS.get((one, other), BEND)


def _as_published(name: str) -> str:
    """The population with the same part in the circuit of one hidden layer, such as h_lt for h3_lt; else the name itself."""
    if gradient := GRADIENT.fullmatch(name):
        return f"d2{gradient['sign']}" if gradient["sign"] else "d1"
    match = OF_LAYER.fullmatch(name)
    return f"{match['before'] or ''}{match['layer']}{match['after'] or ''}" if match else name


def _hidden_layer(name: str) -> int | None:
    """Number of the hidden layer of a population; None for all others."""
    gradient, match = GRADIENT.fullmatch(name), OF_LAYER.fullmatch(name)
    if gradient:
        return None if gradient["sign"] else int(gradient["number"])
    if match and match["layer"] == "h":
        return int(match["number"] or 1)
    return None
