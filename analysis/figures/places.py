"""Where the populations of nBP stand in the figures of its circuit, and the symbols that name them, for any number of layers.

With one hidden layer the places are chosen by hand. Each further hidden layer repeats those of the first one to its right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from brianprop.models.circuit import Circuit

__all__ = ["error_populations", "places_of", "symbol"]

#: A population of a layer: x, h, h2, o; its copies h2_lt and h2_gt, its memory m_h2, its box gate b_h2, and h2T_neg.
OF_LAYER = re.compile(r"(?P<before>[mb]_)?(?P<layer>[xho])(?P<number>\d*)(?P<after>_lt|_gt|T_neg)?")

#: A local gradient: d1 of a hidden layer; d2_pos and d2_neg of the output.
GRADIENT = re.compile(r"d(?P<number>\d+)(?P<sign>_pos|_neg)?")

AFTER = {None: "", "_lt": "^{<}", "_gt": "^{>}", "T_neg": "^{T-}"}

#: Positions of the populations with one hidden layer: columns from the input to the output, and the gating chain in a row below
#: them. The three copies of a layer lie on a slope, so that the arrows of the gating chain reach each of them from below.
PLACES = {
    "input": (0.4, 6.5),
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
    "target": (13.8, 4.2),
    "kick": (0.4, -0.7),
}
#: Where the second and later hidden layers differ: they slope as the output does, out of the way of what they send back, and
#: have a population hT_neg.
LATER = {"h_gt": (5.0, 2.9), "h_lt": (3.8, 5.3), "b_h": (5.2, 6.5), "m_h": (6.9, 3.0), "hT_neg": (2.5, 0.9)}

#: Distance from one hidden layer to the next. The populations of the output and all that follows move with the last one.
LAYER_STEP = 5.0
FIXED = ("input", "x", "m_x", "kick")

#: Height of the row of the gating chain, and positions of its first and its last neuron.
CHAIN_ROW, CHAIN_START, CHAIN_STOP = -0.7, 1.7, 13.8

#: Distance of the rows above all others, for populations without a place, and most populations in such a row.
OTHER_ROW, OTHERS = 1.4, 8


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


def places_of(circuit: Circuit) -> dict[str, tuple[float, float]]:
    """Position of each population; those that are unknown stand in rows above all others."""
    names = [population.name for population in circuit.populations]
    # how far the output stands to the right of where it is with one hidden layer
    last = int(error_populations(names)[0][1:].removesuffix("_pos"))
    moved = LAYER_STEP * (last - 2)
    chain = [population.name for population in circuit.populations if population.role == "gating"]
    found, others = {}, []
    for name in names:
        role, layer = _as_published(name), _hidden_layer(name)
        later = LATER if layer is not None and layer > 1 else {}
        if name in chain:
            step = (CHAIN_STOP + moved - CHAIN_START) / max(len(chain) - 1, 1)
            found[name] = (CHAIN_START + step * chain.index(name), CHAIN_ROW)
        elif role in PLACES or role in later:
            x, y = later.get(role) or PLACES[role]
            by = 0.0 if name in FIXED else moved if layer is None else LAYER_STEP * (layer - 1)
            found[name] = (x + by, y)
        else:
            others.append(name)
    top = max((y for _, y in found.values()), default=0.0) + OTHER_ROW
    width = CHAIN_STOP + moved
    for number, name in enumerate(others):
        row, column = divmod(number, OTHERS)
        found[name] = (width * (column + 0.5) / min(len(others), OTHERS), top + OTHER_ROW * row)
    return found


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
