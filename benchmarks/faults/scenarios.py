#
# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Faults of the receiver or the sender while lines are published.

A scenario is a function that takes a :class:`~benchmarks.faults.trial.Trial`.
It starts the load, and returns when the fault is over. It may write remarks
to the trial's ``note``.
"""

import dataclasses
import functools
import math
import signal
import time
import typing

_BACK_SECONDS = 0.05


@dataclasses.dataclass(frozen=True)
class Times:
    """Durations in seconds, and the number of repetitions.

    :ivar quiet: maximum wait for a sender that sends nothing
    :ivar most: maximum duration of a load, and of the wait after it
    """

    repeats: int = 20
    between: float = 0.55
    load: float = 12.0
    refused: float = 3.0
    never: float = 15.0
    slow: float = 10.0
    before: float = 2.0
    away: float = 3.0
    after: float = 1.0
    exit: float = 20.0
    quiet: float = math.inf
    most: float = 120.0


FULL = Times()
SHORT = Times(repeats=2, between=0.3, load=0.8, refused=0.4, never=0.8,
              slow=1.2, before=0.3, away=0.8, after=0.2, quiet=2.5)


def restart(trial):
    """Kill the receiver, and start it again after a moment."""
    trial.receiver.kill()
    time.sleep(_BACK_SECONDS)
    trial.receiver.start()


def _repeat(act, trial):
    """Call a function several times during the load."""
    trial.receiver.start()
    trial.load_for(trial.times.load)
    for _ in range(trial.times.repeats):
        time.sleep(trial.times.between)
        act(trial)


def _reset(trial):
    """Reset all connections."""
    time.sleep(_BACK_SECONDS)
    trial.receiver.orders.reset_present()


def refused(trial):
    """Start the receiver some seconds after the sender."""
    trial.load_for(trial.times.refused + trial.times.before)
    time.sleep(trial.times.refused)
    trial.receiver.start()


def never_reads(trial):
    """Let the receiver accept but not read, and then replace it."""
    trial.receiver.start()
    trial.load_for(2 * trial.times.before + trial.times.never)
    time.sleep(trial.times.before)
    trial.receiver.orders.read_slowly(0)
    time.sleep(trial.times.never)
    restart(trial)


def reads_slowly(trial):
    """Let the receiver read one byte per second, and then everything."""
    trial.receiver.start()
    trial.load_for(2 * trial.times.before + trial.times.slow)
    time.sleep(trial.times.before)
    trial.receiver.orders.read_slowly(1, trial.times.slow)
    time.sleep(trial.times.slow)


def _make_backlog(trial):
    """Publish, and kill the receiver some seconds before the end."""
    times = trial.times
    trial.receiver.start()
    trial.load_for(times.before + times.away + times.after)
    time.sleep(times.before)
    trial.receiver.kill()
    time.sleep(times.away)


def terminated(trial, is_back=True):
    """Send SIGTERM to the sender while it has a backlog.

    :param is_back: whether the receiver returns just before
    """
    _make_backlog(trial)
    if is_back:
        trial.receiver.start()
        time.sleep(_BACK_SECONDS)
    took = trial.load.end(signal.SIGTERM, trial.times.exit)
    trial.note = ("ended after %.1f s" % took if took is not None
                  else "did not end in %g s" % trial.times.exit)
    if not is_back:
        trial.receiver.start()
    trial.load_for(trial.times.after)


def killed_sender(trial):
    """Kill the sender while the receiver is away."""
    _make_backlog(trial)
    trial.load.kill()
    trial.receiver.start()
    trial.load_for(trial.times.after)


@dataclasses.dataclass(frozen=True)
class Fault:
    """One column of the table.

    :ivar title: its ``{times}`` is a :class:`Times`
    """

    title: str
    act: typing.Callable
    needs_connection: bool = False


FAULTS = {
    "kill": Fault("Receiver killed {times.repeats} times",
                  functools.partial(_repeat, restart)),
    "refuse": Fault("Refused for {times.refused:g} s at start", refused),
    "reset": Fault("Connection reset {times.repeats} times",
                   functools.partial(_repeat, _reset), needs_connection=True),
    "black-hole": Fault("Black hole for {times.never:g} s", never_reads),
    "slow": Fault("One byte per second for {times.slow:g} s", reads_slowly),
    "term": Fault("SIGTERM with a backlog, receiver just back", terminated),
    "term-away": Fault("SIGTERM with a backlog, receiver away",
                       functools.partial(terminated, is_back=False)),
    "kill-sender": Fault("SIGKILL of the sender, receiver away",
                         killed_sender),
}
