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

"""Minutes of load with many faults: memory growth and lost lines.

Run it in the checkout: ``python -m benchmarks.faults.soak``. The exit status
is 1 if a line is lost, or if the resident memory of the publishing process
grows by more than 10 MB after the warm-up.
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
_SETTLE_SECONDS = 120
# Lines per second.
_RATE = 5000
_WARM_UP = 30
_EVERY_SECONDS = 20
_FAULT_SECONDS = 5


class Soak:
    """A scenario: different faults in turn until the load ends.

    :param seconds: duration of the load
    :ivar faults: number of faults so far
    :ivar rss_mb: resident memory of the publishing process, per second
    :ivar warm_rss_mb: the same after the warm-up
    """

    def __init__(self, seconds):
        self._seconds = seconds
        self.faults = 0
        self.rss_mb = []
        self.warm_rss_mb = None

    def act(self, trial):
        trial.receiver.start()
        trial.load_for(self._seconds)
        self._sleep(trial, _WARM_UP)
        self.warm_rss_mb = self.rss_mb[-1]
        for act in itertools.cycle((self._kill, self._stop_reading,
                                    self._reset, self._refuse)):
            if trial.record.is_done:
                return
            act(trial)
            self.faults += 1
            self._sleep(trial, _EVERY_SECONDS - _FAULT_SECONDS)

    def _kill(self, trial):
        scenarios.restart(trial)
        self._sleep(trial, _FAULT_SECONDS)

    def _stop_reading(self, trial):
        trial.receiver.orders.read_slowly(0)
        self._sleep(trial, _FAULT_SECONDS)
        scenarios.restart(trial)

    def _reset(self, trial):
        trial.receiver.orders.reset_present()
        self._sleep(trial, _FAULT_SECONDS)

    def _refuse(self, trial):
        trial.receiver.kill()
        self._sleep(trial, _FAULT_SECONDS)
        trial.receiver.start()

    def _sleep(self, trial, seconds):
        """Sleep at most until the load ends; measure memory each second."""
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
        "memory: %.1f MB at the start, %.1f after the warm-up, %.1f maximum, "
        "%.1f at the end. A call took %.2f ms at p50, %.2f at p99, %.1f "
        "maximum; its CPU time was %.2f at p99, %.1f maximum. Resident memory "
        "at each minute, in MB: %s." % (
            sender.title, soak.faults, result.published, result.lost,
            result.repeated, rss[0], soak.warm_rss_mb, max(rss), rss[-1],
            *(report.quantile_ms(result.held, share)
              for share in (0.5, 0.99, 1)),
            *(report.quantile_ms(result.cpu, share)
              for share in (0.99, 1)),
            ", ".join("%.1f" % each for each in rss[::60])))


def main():
    parser = arguments.parser("faults.soak", __doc__, "--log")
    parser.add_argument("--seconds", type=int, default=600,
                        help="duration of the load, at least %d" % (
                            2 * _WARM_UP))
    given = parser.parse_args()
    child.end_with_us()
    sender = senders.SENDERS["soak"]
    soak = Soak(given.seconds)
    times = dataclasses.replace(
        scenarios.FULL, most=given.seconds + _SETTLE_SECONDS)
    with tempfile.TemporaryDirectory() as directory:
        result = trial.Trial(
            sender, soak, times, _RATE,
            certificates.Authority(pathlib.Path(directory)), given.log).run()
    print(report.about())
    print(_describe(sender, soak, result))
    found = (report.Target("lines lost", result.lost, 0), report.Target(
        "growth in MB after the warm-up", soak.rss_mb[-1] - soak.warm_rss_mb,
        _MAX_GROWTH_MB))
    print(report.bullets(found))
    sys.exit(not all(target.is_met for target in found))


if __name__ == "__main__":
    main()
