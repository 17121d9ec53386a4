"""The one exception that is meant for the person in front of the screen."""

from pathlib import Path


class UserError(Exception):
    """Something the user can mend: what is wrong, with which file, and what to do about it.

    The command line prints it as one sentence and exits with 2; a job that ends with it carries the
    same sentence to Blender's panel. Every other exception is a defect of the program: its trace goes
    to the log.
    """

    def __init__(self, problem: str, *, file: Path | str | None = None, hint: str = ""):
        self.problem = problem.rstrip(".")
        self.file = None if file is None else str(file)
        self.hint = hint.rstrip(".")
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        return f"{where}{self.problem}." + (f" {self.hint}." if self.hint else "")
