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

Run it from the checkout: ``python -m benchmarks.faults.soak``. It fails if a
line was lost, or if the process that publishes ended with 10 MB more of
resident memory than it had after its warm-up.
"""

import dataclasses
import itertools
import pathlib
import sys
import tempfile
import time

from benchmarks.common import arguments
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.faults import scenarios
from benchmarks.faults import trial
from lab import certificates
from lab import child
from lab import usage

_MAX_GROWTH_MB = 10
_FAULT_SHARE = 0.25
_SETTLE_SECONDS = 120


class Soak:
    """A scenario: faults of several kinds in turn, until the load ends.

    :param seconds: of the load
    :param warm_up: seconds before the first fault
    :param every: seconds between two faults
    :ivar faults: how many there were
    :ivar rss_mb: resident memory of the process that publishes, each second
    :ivar warm_rss_mb: the same after the warm-up
    """

    def __init__(self, seconds, warm_up, every):
        self._seconds = seconds
        self._warm_up = warm_up
        self._every = every
        self.faults = 0
        self.rss_mb = []
        self.warm_rss_mb = None

    def act(self, trial):
        trial.receiver.start()
        trial.load_for(self._seconds)
        self._sleep(trial, self._warm_up)
        self.warm_rss_mb = self.rss_mb[-1]
        fault_seconds = self._every * _FAULT_SHARE
        for act in itertools.cycle((self._kill, self._stop_reading,
                                    self._reset, self._refuse)):
            if trial.record.is_done:
                return
            act(trial, fault_seconds)
            self.faults += 1
            self._sleep(trial, self._every - fault_seconds)

    def _kill(self, trial, seconds):
        scenarios.restart(trial)
        self._sleep(trial, seconds)

    def _stop_reading(self, trial, seconds):
        trial.receiver.orders.read_slowly(0)
        self._sleep(trial, seconds)
        scenarios.restart(trial)

    def _reset(self, trial, seconds):
        trial.receiver.orders.reset_present()
        self._sleep(trial, seconds)

    def _refuse(self, trial, seconds):
        trial.receiver.kill()
        self._sleep(trial, seconds)
        trial.receiver.start()

    def _sleep(self, trial, seconds):
        """Sleep while the load lasts, and look at memory each second."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if trial.record.is_done:
                return
            self.rss_mb.append(usage.rss_mb([trial.load.pid]))
            time.sleep(min(1.0, left))


def _describe(sender, soak, result):
    rss = soak.rss_mb
    return report.paragraph(
        "%s, %d faults: %d lines published, %d lost, %d read again. Resident "
        "memory %.1f MB at the start, %.1f after the warm-up, %.1f at most, "
        "%.1f at the end. The caller was held %.2f ms at p50, %.2f at p99, "
        "%.1f at most; without the time that the kernel gave to others %.2f "
        "at p99, %.1f at most. Resident memory by the minute, in MB: %s." % (
            sender.title, soak.faults, result.published, result.lost,
            result.repeated, rss[0], soak.warm_rss_mb, max(rss), rss[-1],
            *(report.quantile_ms(result.held, share)
              for share in (0.5, 0.99, 1)),
            *(report.quantile_ms(result.held_alone, share)
              for share in (0.99, 1)),
            ", ".join("%.1f" % each for each in rss[::60])))


def _arguments():
    parser = arguments.parser("faults.soak", __doc__)
    parser.add_argument("--seconds", type=arguments.at_least(2), default=600)
    parser.add_argument("--rate", type=arguments.at_least(50), default=5000,
                        help="lines a second")
    parser.add_argument("--every", type=float, default=20.0,
                        help="seconds between the faults")
    parser.add_argument("--warm-up", type=float, default=30.0,
                        help="seconds before the first fault")
    parser.add_argument("--sender", default=senders.OURS,
                        choices=list(senders.SENDERS))
    found = parser.parse_args()
    if not 0 < found.warm_up < found.seconds:
        parser.error("--warm-up has to be shorter than --seconds")
    return found


def main():
    given = _arguments()
    child.end_with_us()
    sender = senders.SENDERS[given.sender]
    soak = Soak(given.seconds, given.warm_up, given.every)
    times = dataclasses.replace(
        scenarios.FULL, most=given.seconds + _SETTLE_SECONDS)
    with tempfile.TemporaryDirectory() as directory:
        result = trial.Trial(
            sender, soak, times, given.rate,
            certificates.Authority(pathlib.Path(directory)), given.log).run()
    print(report.about())
    print(_describe(sender, soak, result))
    found = (report.Target("lines lost", result.lost, 0), report.Target(
        "MB more than after the warm-up", soak.rss_mb[-1] - soak.warm_rss_mb,
        _MAX_GROWTH_MB))
    print(report.bullets(found))
    sys.exit(not all(target.is_met for target in found))


if __name__ == "__main__":
    main()
