"""Several trainings in lockstep: threads that train one network each and meet where a simulation of all of them runs.

A training in a lockstep is written as if it were alone. Where it would build or run a simulator, its thread waits until all
other trainings of the lockstep wait too. Then one simulation runs for all of them (see `models.simulation.replicas`), and each
thread goes on with the result of its own network.
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

__all__ = ["Lockstep", "Member", "padded", "train_in_lockstep"]


def padded(items: Sequence, size: int) -> list:
    """A list of `size` items: those given, followed by repetitions of the first."""
    return [*items, *[items[0]] * (size - len(items))]


@dataclass
class _Request:
    """What a thread waits for: the build of a simulator, or a run of one that was built.

    Attributes
    ----------
    member : Member
        Who asks.
    number : int
        Number of the simulator, in the order in which each member asks for its own.
    model : Model
        The network of this member.
    options : dict
        Of a build: keyword arguments for `models.simulation.simulator`.
    run : dict
        Of a run: arguments for `Simulator.run`. Empty for a build.
    result, error
        The answer; None until there is one.
    """

    member: Member
    number: int
    model: Model
    options: dict[str, Any]
    run: dict[str, Any] = field(default_factory=dict)
    result: Any = None
    error: Exception | None = None

    @property
    def kind(self) -> tuple:
        """Equal for all requests that one build or one simulation can answer."""
        run = self.run
        if not run:
            return ("build", self.number)
        return ("run", self.number, len(run["samples"]), run["first"], run["n_recorded"])


class Member:
    """One training in a lockstep. It takes the place of `models.simulation.simulator`.

    Attributes
    ----------
    rank : int
        Position of the training in its lockstep.
    """

    def __init__(self, lockstep: Lockstep, rank: int):
        self.rank = rank
        self._lockstep, self._n_simulators = lockstep, 0

    def simulator(self, model: Model, **options) -> Simulator:
        """A simulator of the network of this training; see `models.simulation.simulator`."""
        number = self._n_simulators
        self._n_simulators += 1
        self.wait_for(_Request(self, number, model, options))
        return _MemberSimulator(self, number, model)

    def shared(self, key: tuple, make: Callable[[], Any]) -> Any:
        """An object that all trainings of the lockstep use, such as data. The first that asks for `key` makes it."""
        return self._lockstep.shared(key, make)

    def wait_for(self, request: _Request) -> Any:
        """Wait until the lockstep has answered a request, and return the result or raise the error."""
        return self._lockstep.wait_for(request)


class _MemberSimulator(Simulator):
    """Looks like the simulator of one network; runs as a part of the simulation of all members."""

    def __init__(self, member: Member, number: int, model: Model):
        super().__init__(model, "dense")
        self._member, self._number = member, number

    def run(self, weights, stimuli, samples, *, noise_seed=0, n_recorded=0, first=0, progress=None) -> Result:
        arguments = {
            "weights": weights,
            "stimuli": stimuli,
            "samples": np.asarray(samples),
            "noise_seed": noise_seed,
            "n_recorded": n_recorded,
            "first": first,
            "progress": progress,
        }
        return self._member.wait_for(_Request(self._member, self._number, self.model, {}, arguments))


class Lockstep:
    """The trainings that share one simulation.

    Parameters
    ----------
    size : int
        Number of networks that the simulation holds. Where fewer are trained, the rest repeats one of them.
    per_network : sequence of collections of str, or None
        For each simulator, the constants that each network has a value of its own for (default: those that differ).
    ready : queue.Queue
        The lockstep puts itself here when all its members wait.
    """

    def __init__(self, size: int, per_network: Sequence[Collection[str]] | None, ready: queue.Queue):
        self.size, self.per_network, self.ready = size, per_network, ready
        self.members: list[Member] = []
        self._requests: list[_Request] = []
        # simulators of `Replicas`, which take and return lists, with the members that their networks belong to
        self._simulators: dict[int, tuple[Any, list[Member]]] = {}
        self._changed = threading.Condition()
        self._objects: dict[tuple, Any] = {}
        self._sharing = threading.Lock()
        self._stopped = False

    def join(self) -> Member:
        """Add a member. All must have joined before the first of them runs."""
        member = Member(self, len(self.members))
        self.members.append(member)
        return member

    def leave(self, member: Member) -> None:
        """Remove a member whose training has ended: the others wait for it no longer."""
        with self._changed:
            self.members.remove(member)
            self._announce()

    def stop(self) -> None:
        """Let every member that waits, now or later, give up with RunError."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def shared(self, key: tuple, make: Callable[[], Any]) -> Any:
        """See `Member.shared`."""
        with self._sharing:
            if key not in self._objects:
                self._objects[key] = make()
            return self._objects[key]

    def wait_for(self, request: _Request) -> Any:
        """See `Member.wait_for`."""
        with self._changed:
            self._requests.append(request)
            self._announce()
            while request.result is None and request.error is None:
                if self._stopped:
                    raise RunError("The simulation was stopped; go on with 'brianprop resume'.")
                self._changed.wait()
        if request.error is not None:
            raise request.error
        return request.result

    def _announce(self) -> None:
        """Say so if all members wait."""
        if self._requests and len(self._requests) == len(self.members):
            self.ready.put(self)

    @property
    def has_builds(self) -> bool:
        """Whether a member waits for a build, which may need Brian2."""
        return any(not request.run for request in self._requests)

    def answer(self) -> None:
        """Answer all requests, with as few simulations as possible."""
        # in the order of the members, not of their requests: the position decides which random numbers a network draws
        requests, self._requests = sorted(self._requests, key=lambda request: request.member.rank), []
        groups: dict[tuple, list[_Request]] = {}
        for request in requests:
            groups.setdefault(request.kind, []).append(request)
        for group in groups.values():
            try:
                self._run(group) if group[0].run else self._build(group)
            except Exception as error:
                for request in group:
                    request.error = error
        with self._changed:
            self._changed.notify_all()

    def _build(self, group: list[_Request]) -> None:
        first = group[0]
        models = padded([request.model for request in group], self.size)
        per_network = () if self.per_network is None else self.per_network[first.number]
        built = simulator(Replicas(models, per_network), **first.options)
        self._simulators[first.number] = built, [request.member for request in group]
        for request in group:
            request.result = True

    def _run(self, group: list[_Request]) -> None:
        built, members = self._simulators[group[0].number]
        requests = {request.member: request for request in group}
        # The simulation always holds all networks. One that nobody asks for runs the samples of the first request, and its
        # result is dropped.
        runs = padded([requests.get(member, group[0]).run for member in members], self.size)
        seeds = np.random.SeedSequence([run["noise_seed"] for run in runs])
        stimuli = ReplicaStimuli([run["stimuli"] for run in runs])

        def progress(done: int) -> None:
            for request in group:
                if request.run["progress"]:
                    request.run["progress"](done)

        try:
            results = built.run(
                [run["weights"] for run in runs],
                stimuli,
                np.array([run["samples"] for run in runs]),
                noise_seed=int(seeds.generate_state(1)[0] >> 1),
                n_recorded=runs[0]["n_recorded"],
                first=runs[0]["first"],
                progress=progress,
            )
        finally:
            stimuli.close()
        for position, member in enumerate(members):
            if member in requests:
                result: Result = results[position]
                # the wall time of the simulation is divided among the networks that it ran for
                requests[member].result = dataclasses.replace(result, seconds=result.seconds / len(group))

    def close(self) -> None:
        """Remove the temporary files of all simulators."""
        for built, _ in self._simulators.values():
            built.close()


def train_in_lockstep(
    trainings: Sequence[Callable[[Member], Any]],
    size: int | None = None,
    processes: int = 1,
    per_network: Sequence[Collection[str]] | None = None,
) -> list[Any]:
    """Run trainings side by side, with their networks in common simulations.

    Builds run in the calling thread, since Brian2 can only be imported in the main thread.

    Parameters
    ----------
    trainings : sequence of callables
        Each trains one network, and uses the `Member` that it is called with in place of `models.simulation.simulator`.
    size : int, optional
        Number of networks that each simulation holds (default: as few as possible).
    processes : int
        Number of simulations that run side by side, each in a process of its own. The networks are divided among them.
    per_network : sequence of collections of str, optional
        For each simulator, the names of the constants that each network has a value of its own for, see
        `models.simulation.replicas.Replicas` (default: those that differ).

    Returns
    -------
    list
        What each training returned, or the exception that ended it.

    Raises
    ------
    RunError
        When the system does not allow a thread for each training.
    """
    ready: queue.Queue = queue.Queue()
    outcomes: list[Any] = [None] * len(trainings)
    shares = [share.tolist() for share in np.array_split(np.arange(len(trainings)), min(processes, len(trainings)))]
    size = size or max(map(len, shares))
    locksteps = [Lockstep(size, per_network, ready) for _ in shares]

    def work(lockstep: Lockstep, number: int, member: Member) -> None:
        try:
            outcomes[number] = trainings[number](member)
        except Exception as error:
            outcomes[number] = error
        finally:
            lockstep.leave(member)
            ready.put(None)  # one training has ended

    threads = []
    for lockstep, share in zip(locksteps, shares, strict=True):
        # all members join before any thread starts
        for number, member in [(number, lockstep.join()) for number in share]:
            threads.append(threading.Thread(target=work, args=(lockstep, number, member), daemon=True))
    running = len(threads)
    started = []
    with ThreadPoolExecutor(len(locksteps)) as pool:
        try:
            for thread in threads:
                try:
                    thread.start()
                except RuntimeError as error:  # the system allows no more threads
                    raise RunError(
                        f"{len(threads)} networks need a thread each, but the system gives {len(started)}; train fewer at once."
                    ) from error
                started.append(thread)
            while running:
                lockstep = ready.get()
                if lockstep is None:
                    running -= 1
                elif lockstep.has_builds:
                    lockstep.answer()
                else:
                    pool.submit(lockstep.answer)
        finally:
            for lockstep in locksteps:
                lockstep.stop()
            for thread in started:
                thread.join()
    for lockstep in locksteps:
        lockstep.close()
    return outcomes
