"""The systems, found by name in one registry. docs/systems.md adds one step by step.

system.py    what must be known of every system
gated.py     what systems share whose networks are gated circuits
nbp.py       nBP
ssnn_bp.py   SSNN-BP
ann.py       the ANN beside SSNN-BP
"""

import pkgutil

from brianprop.analysis.systems.system import System

__all__ = ["SYSTEMS"]

#: The classes of all systems, as ``module:name``. A new system has a line here.
CLASSES = (
    "brianprop.analysis.systems.nbp:NBPSystem",
    "brianprop.analysis.systems.ssnn_bp:SSNNSystem",
    "brianprop.analysis.systems.ann:ANNSystem",
)

#: The systems by name.
SYSTEMS: dict[str, System] = {system.name: system for system in (pkgutil.resolve_name(name)() for name in CLASSES)}
