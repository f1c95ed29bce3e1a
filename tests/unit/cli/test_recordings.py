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


import copy
import json
import unittest

from tests import releases
from tests.unit import base
from tests.unit.cli import recorded


class FormsTest(recorded.PreviewTestCase):

    def test_an_object_of_lists_has_the_notifications_in_them(self):
        self.assertEqual(129, len(self.lines(recorded.RECORDING)))

    def test_each_form_of_notifications_gives_the_same_lines(self):
        entries = base.recorded("polling-27.0.0.json")
        messages = [entry["message"] for entry in entries]
        forms = {
            "entries, one a line": map(json.dumps, entries),
            "messages, one a line": map(json.dumps, messages),
            "an array": [json.dumps(messages)],
            "an indented array": [json.dumps(entries, indent=1)],
            "as on the bus": (json.dumps({
                "oslo.version": "2.0", "oslo.message": json.dumps(each)})
                for each in messages),
            "samples": [json.dumps([
                sample for each in messages
                for sample in each["payload"]["samples"]])]}
        for name, texts in forms.items():
            with self.subTest(name):
                path = self.write("form", "\n".join(texts))
                self.assertEqual(sorted(self.lines(recorded.RECORDING)),
                                 sorted(self.lines(path)))

    @unittest.skipIf(releases.WANTS_NAMES,
                     "this Ceilometer wants names that the recording lacks")
    def test_the_recording_of_an_older_release_can_be_read(self):
        lines = self.lines(str(base.FIXTURES / "polling-19.0.0.jsonl"))
        self.assertTrue([line for line in lines if ".cpu_util " in line])

    def test_notifications_of_another_kind_are_none(self):
        self.assertEqual(1, len(self.lines(self.write_json(
            {"event_type": "compute.instance.create", "payload": {}},
            recorded.message()))))


class MistakesTest(recorded.PreviewTestCase):

    def test_a_bad_file_is_told_with_its_line(self):
        good = json.dumps(recorded.message())
        no_type = copy.deepcopy(recorded.message())
        del no_type["payload"]["samples"][0]["counter_type"]
        bad_type = recorded.message(counter_type="many")
        for text, line, problem in (
                ("{", 1, "is not JSON"),
                (good + "\n" + good[:-9], 2, "is not JSON"),
                ("\n\n" + good + "\n{'name': 1}", 4, "is not JSON"),
                (good + "\n\n7", 3, "is neither a notification nor a sample"),
                ('{"colour": 1}', 1, "it has colour"),
                ("{}", 1, "it has nothing"),
                (good + "\n" + json.dumps(no_type), 2,
                 "a sample has no 'counter_type'"),
                *([(json.dumps(bad_type), 1,
                    "a sample is invalid: Unsupported")]
                  if releases.CHECKS_TYPES else []),
                (good + '\n{"volume": 1}', 2, "a sample has no"),
                ('{"event_type": "telemetry.polling", "payload": 1}', 1,
                 "a sample is invalid"),
                ("[" * 100000, 1, "is nested too deeply")):
            with self.subTest(text[:100]):
                path = self.write("bad", text)
                self.assert_fails(self.run_command("preview", path),
                                  "%s, line %d: " % (path, line), problem)

    def test_a_file_that_cannot_be_read_is_told(self):
        (self.directory / "binary").write_bytes(b"\xff\xfe\0")
        for name, problem in (("missing", "No such file"),
                              ("", "directory"), ("binary", "utf-8")):
            path = str(self.directory / name)
            with self.subTest(problem):
                self.assert_fails(self.run_command("preview", path), path,
                                  "cannot be read: ", problem)

    def test_a_file_without_samples_is_told(self):
        for text in ("", "\n \n", "[]", '{"cycles": []}'):
            with self.subTest(text):
                path = self.write("empty", text)
                self.assert_fails(self.run_command("preview", path),
                                  path + " contains no samples")
