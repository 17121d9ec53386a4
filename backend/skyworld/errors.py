"""The one exception that is meant for the person in front of the screen."""

from pathlib import Path

# What a button of the panel may do about a problem, as skyworld_addon/panels/fix.py draws it.
FIXES = (
    "photo",  # choose another picture
    "output",  # choose another folder for the world
    "device",  # compute on what this computer has
    "download",  # get the checkpoint named after the colon
    "smaller",  # take the models for the next smaller GPU, or the built-in ones
    "packages",  # install the backend anew, for an NVIDIA GPU and with what checkpoints need
    "memory",  # end the backend and start it anew, which frees all that it holds
)


class UserError(Exception):
    """Something the user can mend: what is wrong, with which file, and what to do about it.

    The command line prints it as one sentence and exits with 2; a job that ends with it carries the
    same sentence to Blender's panel. Every other exception is a defect of the program: its trace goes
    to the log.

    fix: what mends it at one press of a button, where there is such a thing. One of FIXES; what it is about may follow
    after a colon ("download:zoedepth").
    """

    def __init__(self, problem: str, *, file: Path | str | None = None, hint: str = "", fix: str = ""):
        if fix.partition(":")[0] not in {"", *FIXES}:
            raise ValueError(f"{fix!r} is no fix that the panel knows")
        self.problem = problem.rstrip(".")
        self.file = None if file is None else str(file)
        self.hint = hint.rstrip(".")
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        return f"{where}{self.problem}." + (f" {self.hint}." if self.hint else "")
