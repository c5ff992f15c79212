"""Whether dense code works with the installed version of Brian2, tested on a network of a few neurons.

The network is simulated by dense code and by Brian2's own runtime. It uses every template and every promise of `hints`. All
numbers are whole, so that both must give the same bits; random numbers are tested by their range and mean.
"""

# pyright: reportArgumentType=false
# Brian2 takes more than its annotations say, such as quantities for times

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["compare", "fault"]

STEPS = 100
TIMEOUT = 600  # [s]


def fault() -> str | None:
    """Run the test in a process of its own, since a simulation changes Brian2's global state.

    Returns
    -------
    str or None
        None if dense code gives what Brian2's own code gives, else the reason why it cannot be used.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", f"import sys; from {__name__} import compare; compare(sys.argv[1])", folder]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return f"it takes more than {TIMEOUT} s"
    said = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
    return said[0] if done.returncode else None


def build_with_brian2(device: Any, folder: str) -> None:
    """Generate, compile and run the project of a device, as any Brian2 script does."""
    from .codeobject import add_sources

    device.build(folder, additional_source_files=add_sources(folder), with_output=False)


def simulate(codeobj_class: type | None = None, build: Callable[..., None] | None = None) -> dict[str, np.ndarray]:
    """The state of the network after `STEPS` steps: on Brian2's runtime, or in C++ with a class of code objects."""
    import brian2 as b2

    from .hints import any_order, may_rest, only_where, silent_where_zero

    b2.prefs.reset_to_defaults()
    b2.prefs["codegen.target"] = "numpy"
    b2.set_device("cpp_standalone" if codeobj_class else "runtime", build_on_run=False)
    b2.defaultclock.dt = 2.0**-10 * b2.second
    step = b2.defaultclock.dt
    rng = np.random.default_rng(0)
    options = {"codeobj_class": codeobj_class}
    sender = b2.NeuronGroup(
        20, "p : 1", threshold="t_in_timesteps % 7 == i % 7", events={"tick": "rand() < p"}, reset="", **options
    )
    sender.p[:10] = 1
    receiver = b2.NeuronGroup(
        130,  # three blocks of neurons, the last of which is not full
        """dv/dt = (I + b - v) / (2.0**-10*second) : 1
        dI/dt = -I / (2.0**-10*second) : 1
        dtrace/dt = -trace / (2.0**-10*second) : 1
        b : 1 (constant)
        hits : 1
        draw : 1""",
        threshold="v > 12",
        reset="v = 0\ntrace = 1",
        method="euler",
        **options,
    )
    receiver.b[:65] = rng.integers(-9, 14, 65)
    learned = b2.Synapses(
        sender,
        receiver,
        "w : 1",
        on_pre={"add": "I_post += w", "learn": "w = clip(w - trace_post, -9, 9)"},
        delay={"add": 0 * step, "learn": 0 * step},
        **options,
    )
    learned.connect()
    learned.w = rng.integers(-6, 10, 20 * 130)
    delayed = b2.Synapses(receiver, receiver, "w : 1", on_pre="I_post += w", on_post="hits_pre += 1", **options)
    delayed.connect(i=np.arange(129), j=np.arange(129) + 1)
    delayed.w = 2
    delayed.delay = rng.integers(0, 4, 129) * step
    drawing = b2.Synapses(sender, receiver, on_pre={"tick": "draw_post = rand()"}, on_event={"tick": "tick"}, **options)
    drawing.connect(i=0, j=np.arange(130))
    if codeobj_class:
        any_order(learned.add)
        only_where(learned.learn, "trace_post")
        may_rest(receiver)
        silent_where_zero(sender, "tick", "p")
    spikes, ticks = b2.SpikeMonitor(receiver), b2.EventMonitor(sender, "tick")
    network = b2.Network(sender, receiver, learned, delayed, drawing, spikes, ticks)
    network.schedule = ["start", "groups", "thresholds", "resets", "synapses", "end"]
    network.run(STEPS * step, namespace={})
    if build:
        build(b2.device)
    state = {name: np.array(getattr(receiver, name)) for name in ("v", "I", "trace", "hits", "draw")} | {
        "w": np.array(learned.w)
    }
    for name, monitor in (("spikes", spikes), ("ticks", ticks)):
        state[name] = np.sort(np.rint(monitor.t_ / float(step)).astype(int) * 1000 + monitor.i)
    return state


def require_equal(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Raise AssertionError unless two states agree, and random numbers of the first can be those of a uniform distribution."""
    draw = ours.pop("draw")
    theirs.pop("draw")
    for name, values in theirs.items():
        if not np.array_equal(ours[name], values):
            raise AssertionError(f"{name} differs from Brian2's own code")
    # the mean of 130 numbers lies within five standard errors
    if draw.min() < 0 or draw.max() >= 1 or abs(draw.mean() - 0.5) > 5 * (1 / 12 / len(draw)) ** 0.5:
        raise AssertionError("rand() is not uniform between 0 and 1")


def compare(folder: str, build: Callable[..., None] = build_with_brian2) -> None:
    """Simulate the network both ways; an AssertionError says what differs."""
    from .codeobject import codeobj_class

    expected = simulate()
    require_equal(simulate(codeobj_class(), lambda device: build(device, folder)), expected)
