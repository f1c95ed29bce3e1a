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


class FakeSender:
    """One that is idle when it was asked so often, and was told to end."""

    def __init__(self, idle_after=0):
        self._idle_after = idle_after
        self.asked = 0
        self.ends = 0
        self.asked_before_end = False

    def is_idle(self):
        self.asked += 1
        self.asked_before_end |= not self.ends
        return self.asked > self._idle_after

    def end(self):
        self.ends += 1


class ShutdownTest(base.BaseTestCase):

    def handled(self, signals):
        """Handle SIGTERM as an agent does: note it, and go on."""
        signal.signal(signal.SIGTERM, lambda *args: signals.append(args[0]))

    def end(self):
        os.kill(os.getpid(), signal.SIGTERM)

    def test_the_end_waits_until_all_is_sent(self):
        def ends():
            signals, senders = [], [FakeSender(10), FakeSender(20)]
            self.handled(signals)
            for sender in senders:
                shutdown.watch(sender)
            self.end()
            return (signals == [signal.SIGTERM]
                    and [sender.asked for sender in senders] == [11, 21])
        self.assertTrue(unit_base.in_child(ends))

    def test_all_senders_are_told_before_one_is_waited_for(self):
        def ends():
            senders = [FakeSender(10), FakeSender(10)]
            self.handled([])
            for sender in senders:
                shutdown.watch(sender)
            self.end()
            return all(sender.ends == 1 and not sender.asked_before_end
                       for sender in senders)
        self.assertTrue(unit_base.in_child(ends))

    def test_the_wait_is_bounded(self):
        def ends():
            shutdown.WAIT_SECONDS = 0.2
            self.handled([])
            sender = FakeSender(1 << 30)
            shutdown.watch(sender)
            began = time.monotonic()
            self.end()
            seconds = time.monotonic() - began
            # And what is published after that does not wait once more.
            shutdown.wait_if_ending(sender)
            return 0.2 <= seconds and time.monotonic() - began < 2
        self.assertTrue(unit_base.in_child(ends))

    def test_what_is_published_after_the_signal_waits_as_well(self):
        def ends():
            self.handled([])
            shutdown.watch(FakeSender())
            self.end()
            late = FakeSender(5)
            shutdown.wait_if_ending(late)
            return late.asked == 6
        self.assertTrue(unit_base.in_child(ends))

    def test_nothing_waits_before_the_signal(self):
        def publishes():
            sender = FakeSender(1 << 30)
            self.handled([])
            shutdown.watch(sender)
            shutdown.wait_if_ending(sender)
            return not sender.asked
        self.assertTrue(unit_base.in_child(publishes))

    def test_many_senders_wrap_the_handler_once(self):
        def ends():
            signals = []
            self.handled(signals)
            sender = FakeSender()
            for _ in range(5):
                shutdown.watch(sender)
            self.end()
            return len(signals) == 1 and sender.ends == 1
        self.assertTrue(unit_base.in_child(ends))

    def test_a_process_that_does_not_handle_the_signal_is_left_alone(self):
        def watches():
            for handler in (signal.SIG_DFL, signal.SIG_IGN):
                signal.signal(signal.SIGTERM, handler)
                shutdown.watch(FakeSender())
                if signal.getsignal(signal.SIGTERM) != handler:
                    return False
            return True
        self.assertTrue(unit_base.in_child(watches))

    def test_no_other_thread_than_the_main_one_sets_a_handler(self):
        def watches():
            self.handled([])
            handler = signal.getsignal(signal.SIGTERM)
            errors = []

            def watch():
                try:
                    shutdown.watch(FakeSender())
                except ValueError as e:
                    errors.append(e)
            thread = threading.Thread(target=watch)
            thread.start()
            thread.join()
            return (not errors
                    and signal.getsignal(signal.SIGTERM) is handler)
        self.assertTrue(unit_base.in_child(watches))

    def test_a_sender_that_nobody_has_any_more_is_not_waited_for(self):
        def ends():
            self.handled([])
            sender = FakeSender(1 << 30)
            shutdown.watch(sender)
            del sender
            gc.collect()
            began = time.monotonic()
            self.end()
            return time.monotonic() - began < shutdown.WAIT_SECONDS / 2
        self.assertTrue(unit_base.in_child(ends))
