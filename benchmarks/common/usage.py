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

"""What processes of this machine use."""

import os
import pathlib
import time

_MB_PER_PAGE = os.sysconf("SC_PAGE_SIZE") / 2 ** 20
# CPUCLOCK_SCHED of Linux's include/linux/posix-timers.h.
_CLOCK_KIND = 2


def cpu_seconds(pids):
    """User and system time of processes, with all threads they ever had.

    The clock that clock_getcpuclockid(3) names: what /proc/PID/stat has as
    utime and stime, without its steps of 10 ms.
    """
    return sum(time.clock_gettime(~pid << 3 | _CLOCK_KIND) for pid in pids)


def thread_cpu_seconds(pid, tid):
    """User and system time of one thread that lives."""
    path = pathlib.Path("/proc/%d/task/%d/schedstat" % (pid, tid))
    return int(path.read_text().split()[0]) / 1e9


def rss_mb(pids):
    """Resident memory of processes, with what they share counted for each."""
    return sum(int(pathlib.Path("/proc/%d/statm" % pid).read_text().split()[1])
               for pid in pids) * _MB_PER_PAGE
