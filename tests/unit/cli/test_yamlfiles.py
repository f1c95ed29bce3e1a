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


from ceilometer_graphite.cli.check import results
from tests.unit.cli import checks

SOURCES = "sources: [{name: a, meters: ['*'], sinks: [b]}]\n"
SINKS = "sinks: [{name: b, publishers: ['graphite://g']}]\n"
POLLED = "sources: [{name: a, interval: 60, meters: [cpu]}]\n"
# A file, what is in it, and what each finding about it says.
ERRORS = (
    ("pipeline.yaml", "", ("is empty; copy /",)),
    ("pipeline.yaml", "# nothing\n", ("is empty",)),
    ("polling.yaml", "", ("is empty; copy /",)),
    ("pipeline.yaml", "- sources\n", ("is a list, not a mapping",)),
    ("polling.yaml", "sources\n", ("is a text, not a mapping",)),
    ("pipeline.yaml", SINKS + "sources:\n  name: a\n  meters: ['*']\n",
     ('sources has to be a list, not a mapping; begin each of its entries '
      'with "- "',)),
    ("pipeline.yaml", SOURCES + "sinks: graphite\n",
     ("sinks has to be a list, not a text",)),
    ("pipeline.yaml", SOURCES + "sinks: [graphite]\n",
     ("entry 1 of sinks has to be a mapping, not a text",)),
    ("polling.yaml", "sources:\n  name: a\n  interval: 60\n",
     ("sources has to be a list, not a mapping",)),
    ("polling.yaml", "sources: [{name: a, interval: 60, meters: cpu}]",
     ('meters of source a has to be a list, not a text; write meters: '
      '["cpu"]',)),
    ("pipeline.yaml", SOURCES + "sinks: [{name: b, publishers: 'graphite://"
     "graphite:2003'}]", (
         'publishers of sink b has to be a list, not a text; write '
         'publishers: ["graphite://graphite:2003"]',)),
    ("pipeline.yaml", "sources: [{name: a, meters: {cpu: 1}, sinks: b}]\n"
     "sinks: [{name: b, publishers: [1]}]\n", (
         "meters of source a has to be a list, not a mapping",
         'sinks of source a has to be a list, not a text; write sinks: '
         '["b"]',
         "publishers of sink b has to be a list of texts, and has 1")),
)
MORE_ERRORS = (
    ("pipeline.yaml", "source:\n- a\n" + SINKS,
     ("has no sources; correct source to sources",)),
    ("pipeline.yaml", SOURCES + "sinks:\n", ("has no sinks; add some",)),
    ("polling.yaml", "sources: []\n", ("has no sources; add some",)),
    ("pipeline.yaml", SOURCES.replace("'*'", "") + SINKS,
     ('source a has no meters; write meters: ["*"]',)),
    ("pipeline.yaml", SOURCES.replace("['*']", "") + SINKS,
     ("source a has no meters",)),
    ("pipeline.yaml", SOURCES.replace("name: a, ", "") + SINKS,
     ("source 1 has no name; write name: NAME",)),
    ("pipeline.yaml", SOURCES.replace("name: a", "name: [a]") + SINKS,
     ("has to be a text, not a list",)),
    ("pipeline.yaml", SOURCES.replace("'*'", "null") + SINKS,
     ("has to be a list of texts, and has null",)),
    ("pipeline.yaml", SOURCES.replace("'*'", "['*']") + SINKS,
     ('has to be a list of texts, and has ["*"]',)),
    ("pipeline.yaml", SOURCES.replace("'*'", "cpu, '!disk.*'") + SINKS,
     ("meters of source a mixes names with !disk.*",)),
    ("pipeline.yaml", SOURCES + SINKS + "---\n" + SINKS,
     ("line 3 is not YAML: expected a single document",)),
    ("pipeline.yaml", SOURCES + SINKS + "\0", ("has the character 0x0",)),
    *(("polling.yaml", POLLED.replace("60", text),
       ("interval of source a has to be a whole number of seconds, not "
        + shown + "; write interval: 60",)) for text, shown in (
            ("60s", '"60s"'), ("yes", "true"), ("0.5", "0.5"), ("-5", "-5"),
            ("[60]", "[60]"), (".inf", "Infinity"), (".nan", "NaN"),
            ("1" + "0" * 400, "1" + "0" * 400))),
    ("polling.yaml", POLLED.replace("60", ""), ("source a has no interval",)),
    ("polling.yaml", POLLED.replace("cpu", ""),
     ("source a has no meters; copy those of /",)),
)
WARNINGS = (
    ("pipeline.yaml", SOURCES + SINKS.replace(
        "}]", "}, {name: c, publishers: [a]}]"),
     ("no source names the sink c; name it in a source, or remove it",)),
    ("polling.yaml", POLLED + SINKS, ("nothing reads the key sinks",)),
    ("polling.yaml", POLLED.replace(
        "}]", "}, {name: a, interval: 60, meters: [memory]}]"),
     ("2 sources are named a; give each a name of its own",)),
    ("polling.yaml", POLLED.replace("60", "60.5"),
     ("interval of source a is 60.5, but Ceilometer uses 60; write "
      "interval: 60",)),
    ("pipeline.yaml", SOURCES + SINKS + SOURCES,
     ("line 3: sources is repeated, so only the last one is read; "
      "merge the two",)),
    ("polling.yaml", "sources:\n- name: a\n  interval: 60\n"
     "  meters: [disk.*]\n  meters: [cpu]\n",
     ("line 5: meters is repeated",)),
    ("pipeline.yaml", SOURCES + "sinks: [{name: b, publishers: "
     "['graphite://g'], transformers: }]\n",
     ("nothing reads transformers of sink b; remove it",)),
    ("pipeline.yaml", SINKS + "sources: [{name: a, interval: 600, meters: "
     "['*'], sinks: [b]}]\n",
     ("nothing reads interval of source a; remove it, and set it in "
      "polling.yaml",)),
    ("polling.yaml", POLLED.replace("interval", "intervall: 1, interval"),
     ("nothing reads intervall of source a; remove it, or correct it to one "
      "of name, interval, ",)),
)


class YamlFilesTest(checks.CheckTestCase):

    def assert_told(self, status, table):
        for name, text, expected in table:
            with self.subTest(text):
                self.write(name, text)
                found = [result for result in self.find(
                    "ceilometer.conf", name) if result.status == status]
                self.assertEqual(len(expected), len(found), found)
                for part, result in zip(expected, found, strict=True):
                    line = "%s; %s" % (result.message, result.hint)
                    self.assertIn(part, line)
                    self.assertIn(str(self.directory / name), line)

    def test_each_fault_of_a_file_is_told_in_one_plain_line(self):
        self.assert_told(results.ERROR, ERRORS + MORE_ERRORS)

    def test_text_that_is_not_utf_8_is_told_with_how_to_write_it_anew(self):
        for encoding, name, line in (("latin-1", "ISO-8859-1", 2),
                                     ("utf-16", "UTF-16", 1)):
            path = self.directory / "pipeline.yaml"
            path.write_bytes(("# a\n# \u00e9\n" + SOURCES).encode(encoding))
            found, = [result for result in self.find(
                "ceilometer.conf", "pipeline.yaml")
                if result.status == results.ERROR]
            self.assertEqual("%s: line %d is not UTF-8" % (path, line),
                             found.message)
            self.assertEqual("write it anew: iconv -f %s -t UTF-8 %s" % (
                name, path), found.hint)

    def test_a_byte_order_mark_and_lines_of_windows_are_fine(self):
        (self.directory / "pipeline.yaml").write_bytes(
            (SOURCES + SINKS).replace("\n", "\r\n").encode("utf-8-sig"))
        self.assert_ok(self.find("ceilometer.conf", "pipeline.yaml"))

    def test_what_nothing_reads_is_a_warning(self):
        self.assert_told(results.WARNING, WARNINGS)

    def test_a_file_that_is_in_itself_is_read_once(self):
        self.write("pipeline.yaml", SOURCES + SINKS + "more: &a [*a]\n")
        self.assert_ok(self.find("ceilometer.conf", "pipeline.yaml"))

    def test_other_commands_refuse_such_a_file_with_its_first_fault(self):
        self.write("pipeline.yaml", "sources: a\nsinks: b\n")
        ended = self.run_command("preview")
        self.assertEqual(2, ended.status)
        self.assertIn("sources has to be a list", ended.err)
