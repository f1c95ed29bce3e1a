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

"""One run of a sender with a fault."""

import contextlib
import dataclasses
import pathlib
import tempfile
import time

from benchmarks.common import receiver
from benchmarks.common import workload
from benchmarks.faults import account
from benchmarks.faults import load

_LOOK_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of a trial.

    :ivar repeated: lines that were read again
    :ivar held: sorted durations of the calls, in seconds
    :ivar cpu: sorted CPU times of the calls, in seconds
    :ivar stuck: seconds since the start of a call that did not return until
        the trial ended, or None
    """

    published: int
    read: int
    repeated: int
    held: list
    cpu: list
    stuck: float | None
    note: str

    @property
    def is_stuck(self) -> bool:
        """Whether the longest call did not return."""
        return self.stuck is not None and (
            not self.held or self.stuck > self.held[-1])

    @property
    def lost(self) -> int:
        return self.published - self.read


class Trial:
    """A sender, its load and its receiver, on which a scenario acts.

    :param sender: of :data:`~benchmarks.common.senders.SENDERS`
    :param fault: a :class:`~benchmarks.faults.scenarios.Fault`
    :param times: a :class:`~benchmarks.faults.scenarios.Times`
    :param rate: lines per second
    :param authority: a :class:`~lab.certificates.Authority`
    :param log_path: file for the output of the sender's process
    :ivar receiver: a :class:`~benchmarks.common.receiver.Receiver`
    :ivar load: the :class:`~benchmarks.faults.load.Load`
    :ivar record: its :class:`~benchmarks.faults.account.Record`
    :ivar note: the scenario's remarks
    """

    def __init__(self, sender, fault, times, rate, authority, log_path):
        self.times = times
        self.note = ""
        self._sender = sender
        self._fault = fault
        self._rate = rate
        lines = int(times.most * rate)
        self._ledger = account.Ledger(lines)
        self.record = account.Record(lines // workload.BATCH)
        # It marks what the application reads. Data in the kernel is lost.
        self.receiver = receiver.Receiver(
            sender.decoder, self._ledger.mark, sender, authority)
        self._cafile = authority.cafile
        self._log_path = log_path

    def run(self) -> Result:
        """Run the scenario, and count the lines."""
        with contextlib.ExitStack() as stack:
            spool = pathlib.Path(stack.enter_context(
                tempfile.TemporaryDirectory()), "spool")
            self.load = load.Load(
                lambda: self._sender.make(
                    port=self.receiver.port, cafile=self._cafile,
                    directory=spool),
                self.record, self._rate, self._log_path)
            stack.callback(self.receiver.kill)
            stack.callback(self.load.kill)
            self._fault.act(self)
            # No fault may block the caller for longer.
            ended = self.load.wait(self.times.load + self.times.never)
            stuck = None if ended else (
                time.monotonic()
                - self.record.begun_at(self.record.begun - 1))
            if self._sender.reads:
                self._settle()
            return self._result(stuck)

    def load_for(self, seconds: float) -> None:
        """Start to publish for some seconds, in a new process."""
        self.load.start(int(seconds * self._rate / workload.BATCH))

    def _settle(self):
        """Wait until all lines are read, or no more arrive."""
        published = self.record.begun * workload.BATCH
        quiet_seconds = min(self._sender.quiet_seconds, self.times.quiet)
        total, changed_at = -1, time.monotonic()
        until = changed_at + self.times.most
        while (self._ledger.read(published) < published
               and time.monotonic() < until
               and time.monotonic() - changed_at <= quiet_seconds):
            if self._ledger.total != total:
                total, changed_at = self._ledger.total, time.monotonic()
            time.sleep(_LOOK_SECONDS)

    def _result(self, stuck):
        published = self.record.begun * workload.BATCH
        read = self._ledger.read(published)
        return Result(
            published, read, self._ledger.total - read,
            *self.record.held(), stuck, self.note)
