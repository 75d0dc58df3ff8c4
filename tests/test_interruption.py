"""Real processes that are asked to stop while they compute, save, or hang."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

# A training in small: it says when an epoch begins, and what it does about a signal.
TRAIN = """
import contextlib, hashlib, sys, time
from edgedistill.interruption import Stopped, heeded

how = sys.argv[1]
def train(stop):
    print("begins", flush=True)
    if how in ("saves", "tidies up"):
        while not stop.requested:
            time.sleep(0.01)
        print("saves", flush=True)
        time.sleep(0.3)
        raise Stopped("stopped by SIGTERM in epoch 3, step 17; the same command goes on from there")
    if how == "hangs in C":
        print("in C", flush=True)
        # Without the lock of the interpreter, and without a look at signals before it returns.
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2**31 - 1)
    if how == "hangs":
        while True:
            time.sleep(0.01)
    if how == "ends":
        while not stop.requested:
            time.sleep(0.01)
    if how == "fails":
        while not stop.requested:
            time.sleep(0.01)
        raise ValueError("a full disk")
    if how == "interrupts":
        time.sleep(10)
    if how == "is interrupted":
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(10)
        time.sleep(1)
    if how == "works on after an error":
        raise LookupError


try:
    with contextlib.suppress(LookupError), heeded(float(sys.argv[2])) as stop:
        train(stop)
finally:
    if how == "tidies up":
        time.sleep(1)
print("goes on", flush=True)
if how.startswith("works on"):
    time.sleep(10)
print("done", flush=True)
"""


class Training:
    """The process and what it said so far."""

    def __init__(self, how: str, saved_within_s: float = 10):
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRAIN, how, str(saved_within_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def asked(self) -> float:
        """Asks it to stop; gives the time."""
        self.process.send_signal(signal.SIGTERM)
        return time.monotonic()

    def ended(self) -> tuple[int, str, str]:
        """Its status, and what it said from then on."""
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def training() -> Iterator[type[Training]]:
    started: list[Training] = []

    class Ended(Training):
        def __init__(self, *args: object):
            super().__init__(*args)  # type: ignore[arg-type]
            started.append(self)

    yield Ended
    for one in started:
        one.process.kill()
        one.process.communicate()


def test_a_training_saves_and_ends_with_status_143_and_its_own_last_line(training):
    run = training("saves")
    assert run.said() == "begins"
    run.asked()
    assert run.ended() == (
        143,
        "saves\nstopped by SIGTERM in epoch 3, step 17; the same command goes on from there\n",
        "",
    )


def test_a_second_signal_changes_nothing(training):
    run = training("saves")
    assert run.said() == "begins"
    run.asked()
    assert run.said() == "saves"
    for _ in range(5):
        run.process.send_signal(signal.SIGTERM)
    status, out, _ = run.ended()
    assert status == 143
    assert out.startswith("stopped by SIGTERM in epoch 3")


def test_a_second_signal_changes_nothing_either_when_all_is_saved(training):
    run = training("tidies up")
    assert run.said() == "begins"
    run.asked()
    assert run.said() == "saves"
    assert run.said().startswith("stopped by SIGTERM in epoch 3")
    run.asked()
    assert run.ended() == (143, "", "")


@pytest.mark.parametrize("how", ["hangs in C", "hangs"])
def test_one_that_does_not_end_is_ended(training, how):
    run = training(how, 0.5)
    assert run.said() == "begins"
    if how == "hangs in C":
        assert run.said() == "in C"
    start = run.asked()
    assert run.ended() == (
        143,
        "stopped by SIGTERM and not ended by itself within 0.5 s; the same command goes on from "
        "the last saved state.\n",
        "",
    )
    assert 0.5 <= time.monotonic() - start < 3


def test_one_that_is_ended_by_force_does_not_wait_for_a_reader(training):
    run = training("hangs", 0.3)
    assert run.said() == "begins"
    assert run.process.stdout is not None
    run.process.stdout.close()
    run.asked()
    assert run.process.wait(timeout=10) == 143


def test_a_reader_that_is_gone_does_not_change_the_status(training):
    run = training("saves")
    assert run.said() == "begins"
    run.asked()
    assert run.said() == "saves"
    assert run.process.stdout is not None
    run.process.stdout.close()
    assert run.process.wait(timeout=10) == 143


def test_a_training_that_ends_in_that_moment_ends_the_process(training):
    run = training("ends")
    assert run.said() == "begins"
    run.asked()
    assert run.ended() == (
        143,
        "stopped by SIGTERM; the same command goes on from the last saved state.\n",
        "",
    )


def test_an_error_while_it_saves_stays_an_error(training):
    run = training("fails")
    assert run.said() == "begins"
    run.asked()
    status, out, err = run.ended()
    assert (status, out) == (1, "")
    assert err.endswith("ValueError: a full disk\n")


def test_without_a_signal_nothing_is_different(training):
    assert training("nothing").ended() == (0, "begins\ngoes on\ndone\n", "")


@pytest.mark.parametrize("how", ["works on", "works on after an error"])
def test_after_the_training_the_signal_ends_the_process_at_once(training, how):
    run = training(how)
    assert run.said() == "begins"
    assert run.said() == "goes on"
    start = run.asked()
    assert run.ended()[0] == -signal.SIGTERM
    assert time.monotonic() - start < 3


def test_ctrl_c_stays_what_it_is(training):
    run = training("interrupts")
    assert run.said() == "begins"
    run.process.send_signal(signal.SIGINT)
    status, out, err = run.ended()
    assert status == -signal.SIGINT
    assert out == ""
    assert err.endswith("KeyboardInterrupt\n")


def test_ctrl_c_is_not_taken_for_the_signal(training):
    run = training("is interrupted", 0.3)
    assert run.said() == "begins"
    time.sleep(0.2)
    run.process.send_signal(signal.SIGINT)
    assert run.ended() == (0, "goes on\ndone\n", "")
