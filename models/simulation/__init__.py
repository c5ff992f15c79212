"""The devices that run a model: `simulator` makes one ready.

simulator.py   the interface of all devices, with checks of the arguments of a run
devices.py     the choice of a device, and what each needs
replicas.py    several networks in one simulation
generate.py    from Brian2 objects to a generated project
compiler.py    the C++ compiler, and how files are joined into translation units
builds.py      the cache of compiled circuits
standalone.py  C++ standalone and CUDA: a process for each run
cuda.py        what Brian2CUDA needs with current CUDA
runtime.py     Brian2's runtime, for debugging
network.py     the Brian2 objects themselves, for the device of the user
waiting.py     what a user sees while a build goes on
scratch.py     temporary folders that are removed when their process ends
"""

from brianprop.models.simulation.builds import keep_sources
from brianprop.models.simulation.devices import CODEGENS, DEVICES, build, codegen_used, is_built, require, simulator, sources
from brianprop.models.simulation.simulator import Simulator
from brianprop.models.simulation.waiting import silent

__all__ = [
    "CODEGENS",
    "DEVICES",
    "Simulator",
    "build",
    "codegen_used",
    "is_built",
    "keep_sources",
    "require",
    "silent",
    "simulator",
    "sources",
]
