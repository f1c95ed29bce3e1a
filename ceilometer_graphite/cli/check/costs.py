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

"""What makes the agent dearer than it has to be."""

import threading
import time

from ceilometer_graphite import opts
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import hypervisor
from ceilometer_graphite.cli.check import results
from ceilometer_graphite.cli.check import settings


def secret(state: results.State) -> results.Results:
    """Nothing is signed that nobody verifies."""
    if (state.conf.publisher.telemetry_secret
            and not state.conf[opts.PIPELINE_GROUP].forward_drivers):
        yield results.warning(
            "telemetry_secret", "signs each sample, which about doubles the "
            "agent's CPU, although none leaves the agent", "set "
            "telemetry_secret = (nothing) in [publisher] of ceilometer.conf")
    else:
        yield results.ok("telemetry_secret", "signs nothing in vain")


def threads(state: results.State) -> results.Results:
    """Pollsters run one after the other."""
    # Not every release has this option.
    count = getattr(state.conf.polling, "threads_to_process_pollsters", 1)
    if count > 1:
        yield results.warning(
            "threads_to_process_pollsters", "is %d, which makes polling 35 "
            "to 70 %% dearer and no faster" % count,
            "set threads_to_process_pollsters = 1 in [polling] of "
            "ceilometer.conf")
    else:
        yield results.ok("threads_to_process_pollsters", "is %d" % count)


def cycle(state: results.State) -> results.Results:
    """All meters are polled within their shortest interval."""
    seconds = min(source.get_interval() for source in state.sources)
    # Of its own, as polling here overrides what an agent does besides.
    conf = common.load_conf(state.arguments)
    settings.correct(conf)
    polled = hypervisor.Hypervisor(conf)
    began = time.monotonic()
    try:
        common.within(min(seconds, threading.TIMEOUT_MAX), polled.poll)
    except TimeoutError:
        yield results.warning(
            "cycle", "one takes longer than the interval of %d seconds, so "
            "points are missing" % seconds,
            "raise interval in polling.yaml, or poll fewer meters")
    else:
        yield results.ok("cycle", "one takes %.1f seconds of %d" % (
            time.monotonic() - began, seconds))
    if polled.notes.refused:
        yield results.warning(
            "meters", "this hypervisor cannot give %s, and the agent logs an "
            "error for each at its start" % ", ".join(
                sorted(polled.notes.refused)),
            "remove them from polling.yaml, or name them there with ! before "
            "them")
