"""Independent pieces of work, done in this process or on a Ray cluster: same pieces, same results.

A piece is a picklable argument of a function that stands in a module; `setup` is what all pieces share, such as which
models to load, and is sent to each worker once. What is drawn at random comes from seeds that lie in the pieces.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any, Protocol

from skyworld.errors import UserError
from skyworld.progress import changed, ended

# (setup, piece) -> result, or a generator of Progress that returns it.
Work = Callable[[Any, Any], Any]


class Executor(Protocol):
    def run(self, work: Work, setup: Any, pieces: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """(index, result) of each piece, as soon as it is there, whichever piece was the first.

        The Progress of a work that is a generator comes before its result where it is done in this process; a cluster
        gives results alone. A piece is taken from an iterator when there are hands for it, so that only those at work
        are in memory. Closing the iterator gives up what is not done. What a piece raises is raised here, a UserError
        as itself.
        """


class Local:
    """One after the other in this process, whose models stay loaded."""

    def run(self, work: Work, setup: Any, pieces: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        for index, piece in enumerate(pieces):
            answer = work(setup, piece)
            if isinstance(answer, Generator):
                answer = yield from changed(answer, lambda report, index=index: (index, report))
            yield index, answer


class Ray:
    """On a Ray cluster: a worker for each GPU, or for each CPU core where there are none.

    address: of a cluster that runs ("auto" finds one on this machine); "" starts one here.  workers: how many; 0 for as
    many as there are GPUs (or cores).
    """

    def __init__(self, address: str = "", workers: int = 0):
        if find_spec("ray") is None:
            raise UserError(
                "the package ray is not installed",
                hint="Run `pip install 'skyworld-backend[ray]'`, or leave out `--executor ray`",
            )
        self.address, self.workers = address, workers

    def run(self, work: Work, setup: Any, pieces: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        pieces = iter(pieces)
        first = list(islice(pieces, 1))
        if not first:
            return
        import ray

        ours = not ray.is_initialized()
        if ours:
            self._connect()
        actors = []
        try:
            most, gpus = self._places(ray.cluster_resources())
            shared = ray.put(setup)
            kind = ray.remote(_Worker).options(num_cpus=1, num_gpus=gpus)

            def hire():
                actors.append(kind.remote(work, shared))
                return actors[-1]

            yield from _handed_out(ray, hire, most, chain(first, pieces))
        finally:
            for actor in actors:
                ray.kill(actor)
            if ours:
                ray.shutdown()

    def _connect(self) -> None:
        import ray

        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if self.address:
                ray.init(address=self.address, **quiet)
            else:
                ray.init(include_dashboard=False, num_cpus=self.workers or None, **quiet)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            problem = str(error).strip().partition("\n")[0]
            raise UserError(
                f"there is no Ray cluster at {self.address or 'this machine'}: {problem}",
                hint="Start one with `ray start --head`, or leave --address out",
            ) from error

    def _places(self, there: dict[str, float]) -> tuple[int, int]:
        """Workers at most, and GPUs of each."""
        gpus = int(there.get("GPU", 0))
        return max(1, self.workers or gpus or int(there.get("CPU", 1))), 1 if gpus else 0


class _Worker:
    """Keeps what a worker has loaded for `setup` from piece to piece."""

    def __init__(self, work: Work, setup: Any):
        self.work, self.setup = work, setup

    def do(self, piece: Any) -> Any:
        answer = self.work(self.setup, piece)
        return ended(answer) if isinstance(answer, Generator) else answer


def _handed_out(ray, hire: Callable[[], Any], most: int, pieces: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Gives each worker the next piece as soon as it is free, and hires up to `most` while there are pieces."""
    waiting, running, free = enumerate(pieces), {}, []
    while True:
        while len(running) < most and (following := next(waiting, None)):
            index, piece = following
            actor = free.pop() if free else hire()
            running[actor.do.remote(piece)] = index, actor
        if not running:
            return
        ready, _ = ray.wait(list(running), num_returns=1)
        index, actor = running.pop(ready[0])
        free.append(actor)
        try:
            answer = ray.get(ready[0])
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, UserError) else error) from None
        except ray.exceptions.RayActorError as error:
            raise UserError("a Ray worker died", hint="It may lack memory; see `ray logs`, and run again") from error
        yield index, answer


def executor(name: str, address: str = "", workers: int = 0) -> Executor:
    """`local` or `ray`."""
    return Ray(address, workers) if name == "ray" else Local()
