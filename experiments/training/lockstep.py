"""Several trainings whose networks run in one simulation, see `models.simulation.replicas`.

Each training is a thread of its own and knows nothing of the others. Where it would run a simulator it waits, until every
training that is still going on waits too; then one simulation runs for all of them, and each goes on with its own result.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from brianprop.models.errors import RunError
from brianprop.models.model import Model, Result
from brianprop.models.simulation import Simulator, simulator
from brianprop.models.simulation.replicas import Replicas, ReplicaStimuli

__all__ = ["Seat", "own_constants", "padded", "run_together"]

Message = Callable[[str], None]


def own_constants(models: Sequence[Model]) -> frozenset[str]:
    """Constants that differ between some networks of the same code."""
    return Replicas(models).per_network


def padded(items: Sequence, size: int) -> list:
    """Some items and, up to a number of them, the first again."""
    return [*items, *[items[0]] * (size - len(items))]


@dataclass
class _Call:
    """What one training waits for: a build, or a run of what was built."""

    seat: Seat
    number: int  # of the simulator, in the order in which each training asks for its own
    model: Model
    options: dict[str, Any]  # of the simulator
    run: dict[str, Any] | None = None  # arguments; None for a build
    result: Any = None
    error: Exception | None = None

    @property
    def alike(self) -> tuple:
        """Equal for what one simulation can do."""
        run = self.run
        return (self.number,) if run is None else (self.number, len(run["samples"]), run["first"], run["n_recorded"])


class Seat:
    """What one training uses in place of `models.simulation.simulator`."""

    def __init__(self, table: _Table, place: int):
        self.place = place
        self._table, self._simulators = table, 0

    def simulator(self, model: Model, **options) -> Simulator:
        """A simulator of the network of this training; see `models.simulation.simulator`."""
        number = self._simulators
        self._simulators += 1
        self._table.wait_for(_Call(self, number, model, options))
        return _Together(self, number, model)

    def shared(self, key: tuple, make: Callable[[], Any]) -> Any:
        """What the trainings have in common, such as data: made by the first that asks for it."""
        return self._table.share(key, make)


class _Together(Simulator):
    """The part of one training in simulators of several networks."""

    def __init__(self, seat: Seat, number: int, model: Model):
        super().__init__(model, "dense")
        self._seat, self._number = seat, number

    def run(self, weights, stimuli, samples, *, noise_seed=0, n_recorded=0, first=0, progress=None):
        arguments = {
            "weights": weights,
            "stimuli": stimuli,
            "samples": np.asarray(samples),
            "noise_seed": noise_seed,
            "n_recorded": n_recorded,
            "first": first,
            "progress": progress,
        }
        return self._seat._table.wait_for(_Call(self._seat, self._number, self.model, {}, arguments))


@dataclass
class _Table:
    """The trainings of one simulation.

    Attributes
    ----------
    size : int
        Networks that the simulation holds; where fewer are trained, the rest repeats one of them.
    own : sequence of collections of str, or None
        For each simulator, constants that are each network's own (default: those that differ).
    ready : queue.Queue
        Where it says that all its trainings wait.
    """

    size: int
    own: Sequence[Collection[str]] | None
    ready: queue.Queue
    seats: list[Seat] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    simulators: dict[int, tuple[Simulator, list[Seat]]] = field(default_factory=dict)

    def __post_init__(self):
        self._changed = threading.Condition()
        self._shared: dict[tuple, Any] = {}
        self._sharing = threading.Lock()
        self._stopped = False

    def join(self) -> Seat:
        seat = Seat(self, len(self.seats))
        self.seats.append(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        with self._changed:
            self.seats.remove(seat)
            self._look()

    def stop(self) -> None:
        """Let whoever waits, or will, give up."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def share(self, key: tuple, make: Callable[[], Any]) -> Any:
        with self._sharing:
            if key not in self._shared:
                self._shared[key] = make()
            return self._shared[key]

    def wait_for(self, call: _Call) -> Any:
        with self._changed:
            self.calls.append(call)
            self._look()
            while call.result is None and call.error is None:
                if self._stopped:
                    raise RunError("The simulation was stopped; go on with 'brianprop resume'.")
                self._changed.wait()
        if call.error is not None:
            raise call.error
        return call.result

    def _look(self) -> None:
        if self.calls and len(self.calls) == len(self.seats):
            self.ready.put(self)

    @property
    def builds(self) -> bool:
        """Whether anything is to be built, for which Brian2 may be needed."""
        return any(call.run is None for call in self.calls)

    def serve(self) -> None:
        """Do all that is waited for, as few simulations as can."""
        # in the order of the trainings, not in that of their coming: it decides which random numbers are whose
        calls, self.calls = sorted(self.calls, key=lambda call: call.seat.place), []
        groups: dict[tuple, list[_Call]] = {}
        for call in calls:
            groups.setdefault((call.run is None, *call.alike), []).append(call)
        for group in groups.values():
            try:
                self._build(group) if group[0].run is None else self._run(group)
            except Exception as error:
                for call in group:
                    call.error = error
        with self._changed:
            self._changed.notify_all()

    def _build(self, group: list[_Call]) -> None:
        first = group[0]
        models = padded([call.model for call in group], self.size)
        own = () if self.own is None else self.own[first.number]
        ready = simulator(Replicas(models, own), **first.options)
        self.simulators[first.number] = ready, [call.seat for call in group]
        for call in group:
            call.result = True

    def _run(self, group: list[_Call]) -> None:
        ready, seats = self.simulators[group[0].number]
        calls = {call.seat: call for call in group}
        # whoever does not take part now is represented by another, with samples of the other and numbers of its own
        present = [calls.get(seat, group[0]) for seat in seats]
        arguments = padded([call.run for call in present], self.size)
        seeds = np.random.SeedSequence([run["noise_seed"] for run in arguments])
        stimuli = ReplicaStimuli([run["stimuli"] for run in arguments])
        try:
            results = ready.run(
                [run["weights"] for run in arguments],
                stimuli,
                np.array([run["samples"] for run in arguments]),
                noise_seed=int(seeds.generate_state(1)[0] >> 1),
                n_recorded=arguments[0]["n_recorded"],
                first=arguments[0]["first"],
                progress=lambda done: [call.run["progress"](done) for call in group if call.run["progress"]],
            )
        finally:
            stimuli.close()
        for place, seat in enumerate(seats):
            if seat in calls:
                result: Result = results[place]
                # the wall time of the simulation, divided among those that it was for
                calls[seat].result = dataclasses.replace(result, seconds=result.seconds / len(group))

    def close(self) -> None:
        for ready, _ in self.simulators.values():
            ready.close()


def run_together(
    jobs: Sequence[Callable[[Seat], Any]],
    size: int | None = None,
    processes: int = 1,
    own: Sequence[Collection[str]] | None = None,
) -> list[Any]:
    """Run trainings side by side, with their networks in common simulations.

    Builds happen in the calling thread, since Brian2 can only be imported in the main thread.

    Parameters
    ----------
    jobs : sequence of callables
        Each trains one network, with a `Seat` in place of `models.simulation.simulator`.
    size : int, optional
        Networks that each simulation holds (default: as few as will do).
    processes : int
        Simulations side by side, each a process of its own, among which the networks are divided.
    own : sequence of collections of str, optional
        See `_Table`.

    Returns
    -------
    list
        What each job returned, or the exception that ended it.
    """
    ready: queue.Queue = queue.Queue()
    outcomes: list[Any] = [None] * len(jobs)
    shares = [list(share) for share in np.array_split(np.arange(len(jobs)), min(processes, len(jobs)))]
    size = size or max(map(len, shares))
    tables = [_Table(size, own, ready) for _ in shares]

    def work(table: _Table, number: int, seat: Seat) -> None:
        try:
            outcomes[number] = jobs[number](seat)
        except Exception as error:
            outcomes[number] = error
        finally:
            table.leave(seat)
            ready.put(None)  # one less

    threads = []
    for table, share in zip(tables, shares, strict=True):
        for number, seat in [(int(number), table.join()) for number in share]:
            threads.append(threading.Thread(target=work, args=(table, number, seat), daemon=True))
    left = len(threads)
    started = []
    with ThreadPoolExecutor(len(tables)) as pool:
        try:
            for thread in threads:
                try:
                    thread.start()
                except RuntimeError as error:  # the system gives no more threads
                    raise RunError(
                        f"{len(threads)} networks need a thread each, but the system gives {len(started)}; train fewer at once."
                    ) from error
                started.append(thread)
            while left:
                table = ready.get()
                if table is None:
                    left -= 1
                elif table.builds:
                    table.serve()
                else:
                    pool.submit(table.serve)
        finally:
            for table in tables:
                table.stop()
            for thread in started:
                thread.join()
    for table in tables:
        table.close()
    return outcomes
