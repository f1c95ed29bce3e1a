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


import os
import signal

from oslotest import base

from ceilometer_graphite.cli.top import terminal


class KeysTest(base.BaseTestCase):

    def test_pressed_keys_are_told_apart(self):
        self.assertEqual(
            ["a", "\x1b[A", "/", "é", "\x1b", "\n", "\x1b[5~", "\x1bOB"],
            terminal.split_keys("a\x1b[A/é\x1b\n\x1b[5~\x1bOB".encode()))


class SignalsTest(base.BaseTestCase):

    def set(self, number, handler):
        self.addCleanup(signal.signal, number, signal.signal(number, handler))

    def receive(self, number):
        """What the pipe has of a signal that comes while something runs."""
        with terminal.signals() as (reader, _):
            os.set_blocking(reader, False)
            signal.raise_signal(number)
            return os.read(reader, 16)

    def test_a_signal_interrupts_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                       signal.SIGTSTP, signal.SIGWINCH):
            self.set(number, signal.SIG_DFL)  # nohup ignores one
            self.assertEqual(bytes([number]), self.receive(number))

    def test_the_handlers_are_those_of_before_afterwards(self):
        def handle(number, frame):
            pass
        self.set(signal.SIGTERM, handle)
        self.receive(signal.SIGTERM)
        self.assertIs(handle, signal.getsignal(signal.SIGTERM))

    def test_an_ignored_signal_stays_ignored(self):
        self.set(signal.SIGHUP, signal.SIG_IGN)
        self.assertRaises(BlockingIOError, self.receive, signal.SIGHUP)

    def test_those_that_end_a_command_have_the_status_of_a_shell(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            e = self.assertRaises(
                SystemExit, terminal.end_by, bytes([0, number]))
            self.assertEqual(status, e.code)
        self.assertRaises(
            KeyboardInterrupt, terminal.end_by, bytes([signal.SIGINT]))

    def test_others_end_nothing(self):
        terminal.end_by(bytes([0, signal.SIGTSTP, signal.SIGWINCH]))
