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

"""CPU and memory of processes on this machine."""

import os
import pathlib
import re
import time
import typing

_MB_PER_PAGE = os.sysconf("SC_PAGE_SIZE") / 2 ** 20
# CPUCLOCK_SCHED of Linux's include/linux/posix-timers.h.
_CLOCK_KIND = 2


def cpu_seconds(pids: list) -> float:
    """Return user and system time of all threads of processes.

    Threads that have ended are included. It reads the clock of
    clock_getcpuclockid(3): utime and stime of /proc/PID/stat, but without
    their steps of 10 ms.
    """
    return sum(time.clock_gettime(~pid << 3 | _CLOCK_KIND) for pid in pids)


def thread_cpu_seconds(pid: int, tid: int) -> float:
    """Return user and system time of a living thread."""
    path = pathlib.Path("/proc/%d/task/%d/schedstat" % (pid, tid))
    return int(path.read_text().split()[0]) / 1e9


def rss_mb(pids: list) -> float:
    """Return resident memory of processes; shared pages count each time."""
    return sum(int(pathlib.Path("/proc/%d/statm" % pid).read_text().split()[1])
               for pid in pids) * _MB_PER_PAGE


def wake_ups(pid: int) -> dict:
    """Return {thread: how often it went to sleep} of a process."""
    return {int(task.name): int(re.search(
        r"^voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text(),
        re.MULTILINE)[1])
        for task in pathlib.Path("/proc/%d/task" % pid).iterdir()}


def growth(read: typing.Callable, seconds: float) -> list:
    """Return how much numbers grow in some seconds.

    :param read: returns the numbers
    """
    before = read()
    time.sleep(seconds)
    return [now - value for now, value in zip(read(), before, strict=True)]
