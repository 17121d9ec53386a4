"""Estimates of the time to go."""

from skyworld.progress import Progress
from skyworld.service.clock import Clock


class Time:
    now = 0.0

    def __call__(self):
        return self.now


def read(clock, time, now, overall, message=""):
    time.now = now
    return clock.read(Progress(0.5, message, stage="s", overall=overall))


def test_nothing_is_promised_in_the_first_second():
    time = Time()
    clock = Clock(time)
    assert read(clock, time, 0.9, 0.5)["remaining"] is None
    assert read(clock, time, 1.1, 0.5)["remaining"] is not None


def test_a_steady_job_ends_when_it_was_said_to_end():
    time = Time()
    clock = Clock(time)
    told = [read(clock, time, now, now / 60) for now in range(1, 61)]
    assert all(abs(told[i]["remaining"] - (59 - i)) < 0.5 for i in range(59))
    assert told[-1]["remaining"] == 0 and told[-1]["elapsed"] == 60


def test_one_slow_step_does_not_throw_the_estimate_about():
    time = Time()
    clock = Clock(time)
    for now in range(1, 31):
        before = read(clock, time, now, now / 60)["remaining"]
    after = read(clock, time, 40, 30.5 / 60)["remaining"]
    assert abs(after - before) < 10


def test_stages_that_were_skipped_do_not_make_the_rest_look_quick():
    time = Time()
    clock = Clock(time)
    read(clock, time, 0.1, 0.5, "already done")
    assert read(clock, time, 10.1, 0.75)["remaining"] == 10.0
