"""The Brian2 device ``dense_standalone``: C++ standalone mode in which every object has dense code where that can be."""

from __future__ import annotations

import os
from pathlib import Path

from brian2.core.preferences import prefs
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import all_devices
from brian2.synapses.synapses import SynapticPathway
from brian2.units import second

from . import codeobject, derive, events, units
from .versions import dense_supported

__all__ = ["DenseDeviceCodeObject", "DenseStandaloneDevice", "dense_standalone_device"]


class DenseDeviceCodeObject(codeobject.codeobj_class()):
    """Code objects of the device: their templates are looked for in ``device_templates``, ``templates`` and then in Brian2."""

    templater = codeobject.codeobj_class().templater.derive(
        __package__,
        env_globals={"dense_deliveries": events.deliveries},
        templates_dir="device_templates",
    )


class DenseStandaloneDevice(CPPStandaloneDevice):
    """The device of ``set_device("dense_standalone")``; use it as Brian2's ``cpp_standalone``.

    Spikes and values are those of ``cpp_standalone`` bit for bit, but for random numbers that neurons draw during a run:
    these have the same distribution. Where dense code cannot be generated, Brian2's own is.
    """

    def __init__(self):
        super().__init__()
        #: What has been shown of the pathways of the network that runs, by name.
        self.derived: dict[str, derive.Derived] = {}

    def network_run(self, net, duration, report=None, report_period=10 * second, namespace=None, profile=None, level=0, **kwds):
        """Add a run of a network; see `brian2.devices.cpp_standalone.device.CPPStandaloneDevice.network_run`."""
        objects = net.sorted_objects
        pathways = [item for item in objects if isinstance(item, SynapticPathway)]
        shown = {pathway.name: derive.only_where_of(pathway, objects) for pathway in pathways}
        self.derived = {name: hint for name, hint in shown.items() if hint is not None}
        super().network_run(net, duration, report, report_period, namespace, profile, level + 1, **kwds)

    def code_object_class(self, codeobj_class=None, fallback_pref=None):
        """The class of code objects: ours, unless another one is asked for or dense code cannot be used at all."""
        if codeobj_class is None and os.name == "posix" and dense_supported():
            return DenseDeviceCodeObject
        return super().code_object_class(codeobj_class)

    def code_object(self, owner, name, abstract_code, variables, template_name, variable_indices, codeobj_class=None, **kwargs):
        """Generate the code of one object; see `brian2.devices.device.Device.code_object`."""
        if codeobj_class is DenseDeviceCodeObject and prefs["devices.cpp_standalone.openmp_threads"]:
            codeobj_class = CPPStandaloneCodeObject
        return super().code_object(
            owner, name, abstract_code, variables, template_name, variable_indices, codeobj_class=codeobj_class, **kwargs
        )

    def copy_source_files(self, writer, directory):
        """Copy the C++ files that the generated code needs into the project."""
        super().copy_source_files(writer, directory)
        writer.source_files.update(codeobject.add_sources(directory))
        writer.header_files.update(codeobject.headers())

    def generate_makefile(self, writer, compiler, compiler_flags, linker_flags, nb_threads, debug):
        """Write the makefile; the compiler gets few units in place of many files, but for a debugger and with threads."""
        separate = set(writer.source_files)
        if compiler != "msvc" and not nb_threads and not debug:
            folder = Path(writer.project_dir)
            joined = units.joinable(folder / name for name in separate if name.startswith("code_objects/"))
            once = [*units.ONCE, *sorted(name for name in separate if name.startswith("brianlib/"))]
            writer.source_files.difference_update(once, (str(file.relative_to(folder)) for file in joined))
            writer.write("unit_once.cpp", units.join([], once))
            for number, part in enumerate(units.divide(joined)):
                writer.write(f"unit_{number}.cpp", units.join(part))
        super().generate_makefile(writer, compiler, compiler_flags, linker_flags, nb_threads, debug)
        writer.source_files.update(separate)  # `delete` removes them, too

    def run_function(self, name, include_in_parent=True):
        """Divert code into a function; see `CPPStandaloneDevice.run_function`, which knows one device only."""
        return _RunFunction(self, name, include_in_parent)


class _RunFunction:
    """The context manager of `DenseStandaloneDevice.run_function`."""

    def __init__(self, device, name, include_in_parent):
        self.device, self.arguments = device, (name, include_in_parent)

    def __enter__(self):
        self.device.main_queue.append(("start_run_func", self.arguments))

    def __exit__(self, *_):
        self.device.main_queue.append(("end_run_func", self.arguments))


dense_standalone_device = DenseStandaloneDevice()
all_devices["dense_standalone"] = dense_standalone_device
