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

"""Minutes of load with a fault every few seconds: memory, and lines lost.

Run it from the checkout: ``python -m benchmarks.faults.soak``. It fails when
a line was lost, or when the process that publishes ended with 10 MB more of
resident memory than it had after its warm-up.
"""

import argparse
import itertools
import os
import pathlib
import sys
import tempfile
import time

from benchmarks.common import child
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.common import workload
from benchmarks.faults import account
from benchmarks.faults import load
from benchmarks.faults import receiver
from benchmarks.faults import trial
from lab import certificates
from lab import process

_MAX_GROWTH_MB = 10
_FAULT_SHARE = 0.25
_PAGES_PER_MB = 2 ** 20 / os.sysconf("SC_PAGE_SIZE")


def _rss_mb(pid):
    """Resident memory of a process."""
    pages = pathlib.Path("/proc/%d/statm" % pid).read_text().split()
    return int(pages[1]) / _PAGES_PER_MB


class Soak:
    """One sender under load, and what is done to its receiver.

    :param arguments: of the command line
    :param directory: for the sender's files
    """

    def __init__(self, arguments, directory):
        self._arguments = arguments
        sender = senders.SENDERS[arguments.sender]
        lines = arguments.seconds * arguments.rate
        self._batches = lines // workload.BATCH
        self._quiet_seconds = sender.quiet_seconds
        self._ledger = account.Ledger(lines)
        self._record = account.Record(self._batches)
        authority = certificates.Authority(directory / "ca")
        port, = process.free_ports(1)
        self._receiver = receiver.Receiver(
            sender.decoder, self._ledger, port, sender.is_datagram,
            authority.certificate("receiver") if sender.is_encrypted
            else None)
        self._load = load.Load(
            lambda: sender.make(port, authority.cafile, directory / "spool"),
            self._record, arguments.rate, arguments.log)
        self._rss = []

    def run(self):
        """Do it, and print what came of it.

        :returns: an exit status
        """
        try:
            self._receiver.start()
            self._load.start(self._batches)
            warm_after, count = self._disturb()
            self._settle()
            return self._judge(warm_after, count)
        finally:
            self._load.close()
            self._receiver.close()

    def _disturb(self):
        """Make faults until the load ends.

        :returns: how many of the memory samples are of the warm-up, and how
            many faults there were
        """
        self._sleep(self._arguments.warm_up)
        warm_after = len(self._rss)
        seconds = self._arguments.every * _FAULT_SHARE
        faults = itertools.cycle((self._kill, self._stop_reading,
                                  self._reset, self._refuse))
        for count in itertools.count():
            if self._record.is_done:
                return warm_after, count
            next(faults)(seconds)
            self._sleep(self._arguments.every - seconds)

    def _kill(self, seconds):
        self._receiver.kill()
        self._sleep(0.05)
        self._receiver.start()
        self._sleep(seconds)

    def _stop_reading(self, seconds):
        self._receiver.read_slowly()
        self._sleep(seconds)
        self._receiver.kill()
        self._receiver.start()

    def _reset(self, seconds):
        self._receiver.reset()
        self._sleep(seconds)

    def _refuse(self, seconds):
        self._receiver.kill()
        self._sleep(seconds)
        self._receiver.start()

    def _sleep(self, seconds):
        """Sleep while the load lasts, and look at memory each second."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._record.is_done:
                return
            self._rss.append(_rss_mb(self._load.pid))
            time.sleep(min(1.0, left))

    def _settle(self):
        """Wait until all was read, or nothing more comes."""
        published = self._record.begun * workload.BATCH
        total, changed_at = -1, time.monotonic()
        while (self._ledger.read(published) < published
               and time.monotonic() - changed_at < self._quiet_seconds):
            if self._ledger.total != total:
                total, changed_at = self._ledger.total, time.monotonic()
            time.sleep(0.1)

    def _judge(self, warm_after, faults):
        published = self._record.begun * workload.BATCH
        lost = published - self._ledger.read(published)
        held = self._record.held()
        took = sorted(took for took, _ in held)
        alone = sorted(took - queued for took, queued in held)
        warm, end = self._rss[warm_after], self._rss[-1]
        print(report.paragraph(
            "%s, %d faults in %d s: %d lines published, %d lost, %d read "
            "again. Resident memory %.1f MB at the start, %.1f after the "
            "warm-up of %g s, %.1f at most, %.1f at the end. The caller was "
            "held %.2f ms at p50, %.2f at p99, %.1f at most; without the time "
            "that the kernel gave to others %.2f at p99, %.1f at most." % (
                senders.SENDERS[self._arguments.sender].title, faults,
                self._arguments.seconds, published, lost,
                self._ledger.total - published + lost, self._rss[0], warm,
                self._arguments.warm_up, max(self._rss), end,
                *(trial.quantile_ms(took, share) for share in (0.5, 0.99, 1)),
                *(trial.quantile_ms(alone, share) for share in (0.99, 1)))))
        print("Resident memory by the minute, in MB: %s." % ", ".join(
            "%.1f" % self._rss[index] for index in range(
                0, len(self._rss), max(1, 60 * len(self._rss)
                                       // self._arguments.seconds))))
        return int(lost > 0 or end - warm > _MAX_GROWTH_MB)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate", type=int, default=5000,
                        help="lines a second")
    parser.add_argument("--every", type=float, default=20.0,
                        help="seconds between the faults")
    parser.add_argument("--warm-up", type=float, default=30.0,
                        help="seconds before the first fault")
    parser.add_argument("--sender", default="tcp",
                        choices=list(senders.SENDERS))
    parser.add_argument("--log", default=os.devnull,
                        help="a file for what the sender prints")
    arguments = parser.parse_args()
    if arguments.warm_up >= arguments.seconds:
        parser.error("--warm-up has to be shorter than --seconds")
    child.end_with_us()
    print(report.versions())
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(Soak(arguments, pathlib.Path(directory)).run())


if __name__ == "__main__":
    main()
