"""What is said to the person in front of the screen."""

import functools

from .translations import said

listeners = []  # called with each UserError that ended an operator or a render, and with the id of that


class UserError(Exception):
    """Something the user can mend: what is wrong, with which file, and what to do about it.

    problem, hint: sentences as the translations know them; `values` fill their {braces}.
    fix: what mends it at one press, one of panels/fix.py's FIXES, or "".
    """

    def __init__(self, problem, *, file=None, hint="", fix="", **values):
        self.problem, self.file, self.hint, self.fix, self.values = problem, file, hint, fix, values
        super().__init__(problem)

    def __str__(self):
        where = f"{self.file}: " if self.file else ""
        problem = said(self.problem, **self.values).rstrip(".")
        hint = said(self.hint, **self.values).rstrip(".")
        return f"{where}{problem}." + (f" {hint}." if hint else "")


def tell(error, place):
    """Hands an error on to the panel of what ended with it: the id of an operator or of the render engine."""
    for listener in listeners:
        listener(error, place)


def reports_errors(execute):
    """For an operator's `execute`: a UserError becomes a red report and the operator is cancelled."""

    @functools.wraps(execute)
    def reporting(self, context):
        try:
            return execute(self, context)
        except UserError as error:
            self.report({"ERROR"}, str(error))
            tell(error, type(self).bl_idname)
            return {"CANCELLED"}

    return reporting
