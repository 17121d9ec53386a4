"""What is said to the person in front of the screen."""

import functools


class UserError(Exception):
    """Something the user can mend: what is wrong, with which file, and what to do about it."""

    def __init__(self, problem, *, file=None, hint=""):
        where = f"{file}: " if file else ""
        super().__init__(f"{where}{problem.rstrip('.')}." + (f" {hint.rstrip('.')}." if hint else ""))


def reports_errors(execute):
    """For an operator's `execute`: a UserError becomes a red report and the operator is cancelled."""

    @functools.wraps(execute)
    def reporting(self, context):
        try:
            return execute(self, context)
        except UserError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}

    return reporting
