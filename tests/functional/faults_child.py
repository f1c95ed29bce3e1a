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
"""Publishes a load of samples, in a process that tests kill.

It ends like an agent's worker: the handler of SIGTERM sets a flag, the current
call ends, and then the process calls os._exit.
"""

import json
import logging
import os
import signal
import sys
import threading
import time

from tests.functional import faults


def _publisher(arguments):
    conf = faults.agent_conf()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, force=True)
    # A worker also sets its handlers before it creates publishers.
    ends = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ends.set())
    return faults.make_publisher(conf, arguments["url"]), ends


def _publish(publisher, load, arguments, ends):
    """Publish, and record when and how many lines."""
    while load.count < arguments["count"] and not ends.is_set():
        load.publish(publisher, arguments["batch"])
        os.write(1, b"published %d at %.3f\n" % (
            load.count, time.monotonic()))
        ends.wait(arguments["pause"])


def main():
    arguments = json.loads(sys.argv[1])
    load = faults.Load(arguments["tag"], arguments["base"])
    publisher, ends = _publisher(arguments)
    for _ in range(arguments["forks"]):
        if os.fork() == 0:
            load.tag += "child"
        _publish(publisher, load, {**arguments, "count": load.count + 200},
                 ends)
        if load.tag.endswith("child"):
            break
    _publish(publisher, load, arguments, ends)
    ends.wait()
    os._exit(0)


if __name__ == "__main__":
    main()
