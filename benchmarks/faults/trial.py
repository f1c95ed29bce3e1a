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

"""One sender, one fault: makes what they need, and reads the account."""

import dataclasses
import math
import pathlib
import tempfile
import time

from benchmarks.common import workload
from benchmarks.faults import account
from benchmarks.faults import load
from benchmarks.faults import receiver
from lab import process

_LOOK_SECONDS = 0.1
# Far more than any load, or what comes after it, lasts.
_MAX_SECONDS = 120
_OLD_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Result:
    """What one sender made of one fault.

    :ivar held: seconds that the caller waited for each batch, sorted
    :ivar held_alone: the same without the time in which the kernel let
        others run on its processor, sorted
    :ivar stuck: for how long it had waited for the batch that it was given
        when it was given up, or None
    :ivar back_after: seconds until the last receiver that was started had
        read something, or None
    """

    published: int
    read: int
    repeated: int
    held: list
    held_alone: list
    stuck: float | None
    back_after: float | None
    note: str

    @property
    def is_stuck(self):
        """Whether the caller waited for longer than for any other batch."""
        return self.stuck is not None and (
            not self.held or self.stuck > self.held[-1])

    @property
    def lost(self):
        return self.published - self.read


def quantile_ms(seconds, share):
    """A quantile of sorted seconds, in milliseconds; NaN of none."""
    if not seconds:
        return math.nan
    return 1000 * seconds[min(len(seconds) - 1, int(len(seconds) * share))]


class Trial:
    """What a scenario acts on.

    :param sender: of :mod:`~benchmarks.common.senders`
    :param fault: of :mod:`~benchmarks.faults.scenarios`
    :param times: of :mod:`~benchmarks.faults.scenarios`
    :param rate: lines a second
    :param authority: of :mod:`~lab.certificates`, or None
    :param log_path: for what the sender's process prints
    :ivar note: what a scenario says beside the numbers
    :ivar old_before: monotonic seconds, of a line that may not be lost
    """

    def __init__(self, sender, fault, times, rate, authority, log_path):
        self.times = times
        self.note = ""
        self.old_before = None
        self._sender = sender
        self._fault = fault
        self._rate = rate
        self._authority = authority
        self._log_path = log_path

    def run(self):
        """Do it.

        :returns: a :class:`Result`
        """
        with tempfile.TemporaryDirectory() as directory:
            self._prepare(pathlib.Path(directory))
            try:
                self._fault.act(self)
                ended = self._load.wait(self._patience())
                stuck = None if ended else (
                    time.monotonic()
                    - self._record.begun_at(self._record.begun - 1))
                if self._sender.reads:
                    self._settle()
                return self._result(stuck)
            finally:
                self._load.close()
                self.receiver.close()

    def load_for(self, seconds):
        """Publish for some seconds, in a new process."""
        self._load.start(int(seconds * self._rate / workload.BATCH))

    def end_load(self, number):
        """End that process by a signal; returns as ``Load.end``."""
        return self._load.end(number, self.times.exit)

    def _prepare(self, directory):
        lines = _MAX_SECONDS * self._rate
        self._ledger = account.Ledger(lines)
        self._record = account.Record(lines // workload.BATCH)
        sender, port = self._sender, process.free_ports(1)[0]
        cafile = self._authority and self._authority.cafile
        certificate = (self._authority.certificate("receiver")
                       if sender.is_encrypted else None)
        self.receiver = receiver.Receiver(
            sender.decoder, self._ledger, port, sender.is_datagram,
            certificate)
        self._load = load.Load(
            lambda: sender.make(port, cafile, directory / "spool"),
            self._record, self._rate, self._log_path)

    def _patience(self):
        """How long a caller may be held at most, after the fault is over."""
        return self.times.load + self.times.never

    def _settle(self):
        """Wait until all was read, or nothing more comes."""
        published = self._record.begun * workload.BATCH
        total, changed_at = -1, time.monotonic()
        until = changed_at + _MAX_SECONDS
        while (self._ledger.read(published) < published
               and time.monotonic() < until):
            if self._ledger.total != total:
                total, changed_at = self._ledger.total, time.monotonic()
            elif time.monotonic() - changed_at > min(
                    self._sender.quiet_seconds, self.times.quiet):
                return
            time.sleep(_LOOK_SECONDS)

    def _result(self, stuck):
        published = self._record.begun * workload.BATCH
        read = self._ledger.read(published)
        first = self._ledger.first_read_at
        if self.old_before is not None:
            self.note = "%d of the lost were older than %g s" % (
                self._old_lost(published), _OLD_SECONDS)
        held = self._record.held()
        return Result(
            published, read, self._ledger.total - read,
            sorted(took for took, _ in held),
            sorted(took - queued for took, queued in held), stuck,
            max(0.0, first - self.receiver.started_at) if first else None,
            self.note)

    def _old_lost(self, published):
        return sum(
            self._record.begun_at(number // workload.BATCH) < self.old_before
            for number in self._ledger.missing(published))
