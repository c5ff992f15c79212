"""The devices that run a model: `simulator` makes one ready.

simulator.py   what every device offers, and the checks of what it is given
devices.py     which there are, and what each needs
generate.py    from Brian2 objects to a generated project
compiler.py    the C++ compiler, and few translation units out of many files
builds.py      the cache of compiled circuits
standalone.py  C++ standalone, and CUDA as a variety of it
cuda.py        what Brian2CUDA needs on today's CUDA
runtime.py     Brian2's runtime, for debugging
scratch.py     temporary folders that go with their process
"""

from brianprop.models.simulation.builds import keep_sources
from brianprop.models.simulation.devices import CODEGENS, DEVICES, build, is_built, require, simulator, sources
from brianprop.models.simulation.simulator import Simulator

__all__ = ["CODEGENS", "DEVICES", "Simulator", "build", "is_built", "keep_sources", "require", "simulator", "sources"]
