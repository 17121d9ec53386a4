"""Independent pieces of work, done in this process or on a Ray cluster: same pieces, same results, same order.

A piece is a picklable argument of a function that stands in a module; `setup` is what all pieces share, such as which
models to load, and is sent to each worker once. What is drawn at random comes from seeds that lie in the pieces.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from skyworld.errors import UserError

Work = Callable[[Any, Any], Any]  # (setup, piece) -> result


class Executor(Protocol):
    def run(self, work: Work, setup: Any, pieces: Sequence[Any]) -> Iterator[Any]:
        """`work(setup, piece)` of each piece, in their order, each as soon as it and those before it are there.

        Closing the iterator gives up what is not done. What a piece raises is raised here, a UserError as itself.
        """


class Local:
    """One after the other in this process, whose models stay loaded."""

    def run(self, work: Work, setup: Any, pieces: Sequence[Any]) -> Iterator[Any]:
        for piece in pieces:
            yield work(setup, piece)


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

    def run(self, work: Work, setup: Any, pieces: Sequence[Any]) -> Iterator[Any]:
        if not pieces:
            return
        import ray

        ours = not ray.is_initialized()
        if ours:
            self._connect()
        actors = []
        try:
            count, gpus = self._places(ray.cluster_resources(), len(pieces))
            shared = ray.put(setup)
            kind = ray.remote(_Worker).options(num_cpus=1, num_gpus=gpus)
            actors = [kind.remote(work, shared) for _ in range(count)]
            yield from _in_order(ray, actors, pieces)
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

    def _places(self, there: dict[str, float], pieces: int) -> tuple[int, int]:
        """Workers, and GPUs of each."""
        gpus = int(there.get("GPU", 0))
        most = self.workers or gpus or int(there.get("CPU", 1))
        return max(1, min(most, pieces)), 1 if gpus else 0


class _Worker:
    """Keeps what a worker has loaded for `setup` from piece to piece."""

    def __init__(self, work: Work, setup: Any):
        self.work, self.setup = work, setup

    def do(self, piece: Any) -> Any:
        return self.work(self.setup, piece)


def _in_order(ray, actors: list, pieces: Sequence[Any]) -> Iterator[Any]:
    """Gives each worker the next piece as soon as it is free, and the results in the order of the pieces."""
    waiting, running, done, following = list(enumerate(pieces))[::-1], {}, {}, 0
    free = list(actors)
    while following < len(pieces):
        while free and waiting:
            index, piece = waiting.pop()
            actor = free.pop()
            running[actor.do.remote(piece)] = (index, actor)
        ready, _ = ray.wait(list(running), num_returns=1)
        index, actor = running.pop(ready[0])
        free.append(actor)
        try:
            done[index] = ray.get(ready[0])
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, UserError) else error) from None
        except ray.exceptions.RayActorError as error:
            raise UserError("a Ray worker died", hint="It may lack memory; see `ray logs`, and run again") from error
        while following in done:
            yield done.pop(following)
            following += 1


def executor(name: str, address: str = "", workers: int = 0) -> Executor:
    """`local` or `ray`."""
    return Ray(address, workers) if name == "ray" else Local()
