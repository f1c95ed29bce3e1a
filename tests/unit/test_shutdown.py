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

import gc
import os
import signal
import threading
import time

from oslotest import base

from ceilometer_graphite import shutdown
from tests.unit import base as unit_base


class FakePublisher:
    """A publisher that is done after some calls and one hurry()."""

    def __init__(self, done_after=0):
        self._done_after = done_after
        self.asked = 0
        self.ends = 0
        self.asked_before_hurry = False

    def is_done(self):
        self.asked += 1
        self.asked_before_hurry |= not self.ends
        return self.asked > self._done_after

    def hurry(self, until):
        self.ends += 1

    def count_lost(self):
        self.counted = True


class ShutdownTest(base.BaseTestCase):

    def handled(self, signals):
        """Handle SIGTERM like an agent: set a flag, and go on."""
        signal.signal(signal.SIGTERM, lambda *args: signals.append(args[0]))

    def end(self):
        os.kill(os.getpid(), signal.SIGTERM)

    def test_the_end_waits_until_all_is_sent(self):
        def ends():
            signals, publishers = [], [FakePublisher(10), FakePublisher(20)]
            self.handled(signals)
            for publisher in publishers:
                shutdown.watch(publisher)
            self.end()
            return (signals == [signal.SIGTERM]
                    and [each.asked for each in publishers] == [11, 21])
        self.assertTrue(unit_base.in_child(ends))

    def test_all_publishers_hurry_before_the_first_wait(self):
        def ends():
            publishers = [FakePublisher(10), FakePublisher(10)]
            self.handled([])
            for publisher in publishers:
                shutdown.watch(publisher)
            self.end()
            return all(publisher.ends == 1 and not publisher.asked_before_hurry
                       for publisher in publishers)
        self.assertTrue(unit_base.in_child(ends))

    def test_the_wait_is_bounded(self):
        def ends():
            shutdown.WAIT_SECONDS = 0.2
            self.handled([])
            publisher = FakePublisher(1 << 30)
            shutdown.watch(publisher)
            began = time.monotonic()
            self.end()
            seconds = time.monotonic() - began
            # Lines that are published after that do not wait again.
            shutdown.wait_if_ending(publisher)
            return 0.2 <= seconds and time.monotonic() - began < 2
        self.assertTrue(unit_base.in_child(ends))

    def test_lines_after_the_signal_wait_as_well(self):
        def ends():
            self.handled([])
            shutdown.watch(FakePublisher())
            self.end()
            late = FakePublisher(5)
            shutdown.wait_if_ending(late)
            return late.asked == 6
        self.assertTrue(unit_base.in_child(ends))

    def test_the_rest_of_a_long_cycle_waits_as_well(self):
        def ends():
            shutdown.WAIT_SECONDS = 0.2
            self.handled([])
            shutdown.watch(FakePublisher())
            self.end()
            # Longer than WAIT_SECONDS.
            time.sleep(0.3)
            late = FakePublisher(5)
            return shutdown.wait_if_ending(late) and late.asked == 6
        self.assertTrue(unit_base.in_child(ends))

    def test_nothing_waits_before_the_signal(self):
        def publishes():
            publisher = FakePublisher(1 << 30)
            self.handled([])
            shutdown.watch(publisher)
            shutdown.wait_if_ending(publisher)
            return not publisher.asked
        self.assertTrue(unit_base.in_child(publishes))

    def test_many_publishers_wrap_the_handler_once(self):
        def ends():
            signals = []
            self.handled(signals)
            publisher = FakePublisher()
            for _ in range(5):
                shutdown.watch(publisher)
            self.end()
            return len(signals) == 1 and publisher.ends == 1
        self.assertTrue(unit_base.in_child(ends))

    def test_a_process_that_does_not_handle_the_signal_is_left_alone(self):
        def watches():
            for handler in (signal.SIG_DFL, signal.SIG_IGN):
                signal.signal(signal.SIGTERM, handler)
                shutdown.watch(FakePublisher())
                if signal.getsignal(signal.SIGTERM) != handler:
                    return False
            return True
        self.assertTrue(unit_base.in_child(watches))

    def test_only_the_main_thread_sets_a_handler(self):
        def watches():
            self.handled([])
            handler = signal.getsignal(signal.SIGTERM)
            errors = []

            def watch():
                try:
                    shutdown.watch(FakePublisher())
                except ValueError as e:
                    errors.append(e)
            thread = threading.Thread(target=watch)
            thread.start()
            thread.join()
            return (not errors
                    and signal.getsignal(signal.SIGTERM) is handler)
        self.assertTrue(unit_base.in_child(watches))

    def test_a_deleted_publisher_is_not_waited_for(self):
        def ends():
            self.handled([])
            publisher = FakePublisher(1 << 30)
            shutdown.watch(publisher)
            del publisher
            gc.collect()
            began = time.monotonic()
            self.end()
            return time.monotonic() - began < shutdown.WAIT_SECONDS / 2
        self.assertTrue(unit_base.in_child(ends))
