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

import dataclasses
import importlib.metadata
import pathlib
import urllib.parse

import fixtures
from oslo_config import cfg
from oslo_config import types
from oslo_utils import netutils
from oslotest import base

from ceilometer_graphite import naming
from ceilometer_graphite import opts
from ceilometer_graphite import settings
from ceilometer_graphite import wire


class OptsTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def file(self, name, text):
        self.folder.joinpath(name).write_text(text)
        return str(self.folder / name)

    def make_conf(self, text=""):
        """Return an agent's conf with ``text`` in its ceilometer.conf."""
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt("host", default="agent.example.org"))
        conf([], project="ceilometer",
             default_config_files=[self.file("ceilometer.conf", text)])
        return conf

    def load(self, query="", conf_text="", endpoints="g"):
        """Return settings; ``conf_text`` belongs to ``[graphite]``."""
        return settings.load_settings(
            self.make_conf("[graphite]\n" + conf_text),
            netutils.urlsplit("graphite://" + endpoints + (
                "?" + query if query else "")))

    def error(self, *arguments, **kwargs):
        return str(self.assertRaises(settings.ConfigError, self.load,
                                     *arguments, **kwargs))


class DefaultsTest(OptsTestCase):

    def test_a_url_with_a_host_is_enough(self):
        loaded = self.load()
        for opt in opts.GRAPHITE_OPTS:
            self.assertEqual(opt.default, getattr(loaded, opt.dest))

    def test_each_option_is_a_field_of_the_settings(self):
        names = [field.name for field in dataclasses.fields(
            settings.Settings)]
        self.assertEqual([opt.dest for opt in opts.GRAPHITE_OPTS], names[5:])

    def test_settings_cannot_be_changed(self):
        loaded = self.load()
        for field in dataclasses.fields(loaded):
            self.assertRaises(dataclasses.FrozenInstanceError, setattr,
                              loaded, field.name, None)

    def test_settings_contain_their_url(self):
        self.assertEqual("graphite://g?counters=raw",
                         self.load("counters=raw").url)

    def test_the_packaged_definitions_are_used(self):
        self.assertEqual("cpu_util",
                         self.load().definitions.rate("cpu", "ns").name)

    def test_options_are_registered_only_once(self):
        conf = self.make_conf()
        for _ in range(2):
            opts.register_opts(conf)
        self.assertEqual("ceilometer.", conf.graphite.prefix)

    def test_two_agents_in_one_process_do_not_share_options(self):
        one, other = self.make_conf(), self.make_conf()
        opts.register_opts(one)
        self.assertRaises(cfg.NoSuchOptError, getattr, other, "graphite")

    def test_by_default_nothing_is_forwarded(self):
        conf = self.make_conf()
        opts.register_opts(conf)
        self.assertEqual([], conf.ceilometer_pipeline.forward_drivers)


class UrlTest(OptsTestCase):

    def two_values(self, opt):
        """Return two texts of values that are not the default."""
        kind = opt.type
        if isinstance(kind, types.Boolean):
            return str(opt.default).lower(), str(not opt.default).lower()
        if isinstance(kind, types.Number):
            return str(kind.min or 1), str((kind.min or 1) + 1)
        if kind.choices:
            return list(kind.choices)[-1], list(kind.choices)[0]
        special = {
            "template": ("{meter}.a", "{meter}.b"),
            "definitions_file": (self.file("a.yaml", "rates: []"),
                                 self.file("b.yaml", "rates: []"))}
        return special.get(opt.dest, ("one", "two"))

    def test_each_option_is_read_from_ceilometer_conf(self):
        for opt in opts.GRAPHITE_OPTS:
            for text in self.two_values(opt):
                loaded = self.load(conf_text=f"{opt.name} = {text}")
                self.assertEqual(opt.type(text), getattr(loaded, opt.dest))

    def test_each_option_in_the_url_overrides_ceilometer_conf(self):
        for opt in opts.GRAPHITE_OPTS:
            for in_conf, in_url in (self.two_values(opt),
                                    self.two_values(opt)[::-1]):
                loaded = self.load(
                    urllib.parse.urlencode({opt.name: in_url}),
                    f"{opt.name} = {in_conf}")
                self.assertEqual(opt.type(in_url),
                                 getattr(loaded, opt.dest), opt.name)

    def test_options_that_the_url_leaves_out_come_from_ceilometer_conf(self):
        loaded = self.load("counters=raw", "prefix = a.b\n")
        self.assertEqual(("raw", "a.b"), (loaded.counters,
                                          loaded.prefix))

    def test_values_are_decoded_as_url_queries_are(self):
        loaded = self.load("template=%7Bmeter%7D%2Ex&prefix=%61")
        self.assertEqual(("{meter}.x", "a"),
                         (loaded.template, loaded.prefix))

    def test_a_template_may_stand_in_the_url_as_it_is(self):
        self.assertEqual("{prefix}.{meter}", self.load(
            "template={prefix}.{meter}").template)

    def test_an_empty_prefix_may_stand_in_the_url(self):
        self.assertEqual("", self.load("prefix=").prefix)

    def test_an_empty_definitions_file_is_the_packaged_one(self):
        loaded = self.load("definitions_file=",
                           "definitions_file = /does/not/exist")
        self.assertEqual("cpu_util",
                         loaded.definitions.rate("cpu", "ns").name)

    def test_a_definitions_file_replaces_the_packaged_one(self):
        path = self.file("own.yaml", "rates: [{meter: cpu, name: own}]")
        loaded = self.load(conf_text="definitions_file = " + path)
        self.assertEqual("own", loaded.definitions.rate("cpu", "").name)

    def test_names_are_paths_unless_tags_are_configured(self):
        self.assertIsInstance(self.load("naming=tags").namer,
                              naming.TagNamer)
        self.assertIsInstance(self.load().namer, naming.PathNamer)


class DeprecatedNameTest(OptsTestCase):

    def test_the_old_name_is_read_from_ceilometer_conf(self):
        loaded = self.load(conf_text="hypervisor_in_prefix = false")
        self.assertIs(False, loaded.append_hostname)

    def test_the_old_name_is_read_from_the_url(self):
        loaded = self.load("hypervisor_in_prefix=false")
        self.assertIs(False, loaded.append_hostname)

    def test_the_old_name_in_the_url_overrides_ceilometer_conf(self):
        loaded = self.load("hypervisor_in_prefix=true",
                           "append_hostname = false")
        self.assertIs(True, loaded.append_hostname)

    def test_the_old_and_the_new_name_cannot_both_stand_in_the_url(self):
        self.assertIn("append_hostname has to stand in the URL once",
                      self.error("hypervisor_in_prefix=true"
                                 "&append_hostname=true"))


class EndpointsTest(OptsTestCase):

    GOOD = {
        "g": [("g", 2003)],
        "graphite.example.com:2004": [("graphite.example.com", 2004)],
        "10.0.0.1": [("10.0.0.1", 2003)],
        "g:1": [("g", 1)],
        "g:65535": [("g", 65535)],
        "[::1]": [("::1", 2003)],
        "[2001:db8::7]:2103": [("2001:db8::7", 2103)],
        "[fe80::1%eth0]:2003": [("fe80::1%eth0", 2003)],
        "[::ffff:10.0.0.1]:9": [("::ffff:10.0.0.1", 9)],
        "a:1,b,c:3": [("a", 1), ("b", 2003), ("c", 3)],
        "[::1]:1,b:2": [("::1", 1), ("b", 2)],
        "my_relay-1": [("my_relay-1", 2003)],
    }
    BAD = ("", ",", "a,", ",a", "a,,b", "a:", "a:b", "a:-1", "a:2003:1",
           "::1", "user@a", "user:secret@a:2003", "a b", "a:1 ,b", "é",
           "a;b", "a:١")
    BAD_PORTS = ("a:0", "a:65536", "a:99999", "b,a:0")

    def test_endpoints_are_hosts_and_ports_in_their_order(self):
        for text, endpoints in self.GOOD.items():
            with self.subTest(text):
                self.assertEqual(tuple(endpoints),
                                 self.load(endpoints=text).endpoints)

    def test_pickle_has_a_port_of_its_own(self):
        self.assertEqual((("g", 2004),),
                         self.load("format=pickle").endpoints)

    def test_a_bad_endpoint_is_refused_with_the_right_form(self):
        for text in self.BAD:
            with self.subTest(text):
                self.assertIn("an endpoint has to be HOST, HOST:PORT or "
                              "[IPV6]:PORT, and not ",
                              self.error(endpoints=text))

    def test_the_bad_one_of_several_endpoints_is_named(self):
        self.assertIn("and not 'c:x'", self.error(endpoints="a:1,c:x,b"))

    def test_a_bad_port_is_refused_with_the_ports_that_are_allowed(self):
        for text in self.BAD_PORTS:
            with self.subTest(text):
                error = self.error(endpoints=text)
                self.assertIn("from 1 to 65535", error)
                self.assertIn(repr(text.split(",")[-1]), error)

    def test_a_path_is_refused(self):
        for text in "g/prefix", "g:2003/a/b", "g#x":
            with self.subTest(text):
                self.assertIn("graphite://%s: nothing but ?OPTION=VALUE may "
                              "follow the endpoints" % text,
                              self.error(endpoints=text))

    def test_a_slash_after_the_endpoints_is_harmless(self):
        self.assertEqual((("g", 2003),), self.load(endpoints="g/").endpoints)


class BadValueTest(OptsTestCase):

    # (option, a bad value, the allowed values).
    BAD = (
        ("append_hostname", "maybe", "true or false"),
        ("append_hostname", "", "true or false"),
        ("naming", "dots", "one of path, tags"),
        ("naming", "", "one of path, tags"),
        ("counters", "rates", "one of rate, raw, both"),
        ("protocol", "carrier-pigeon", "one of tcp, tls, udp"),
        ("rate_expiry_seconds", "0", "a whole number of at least 1"),
        ("rate_expiry_seconds", "", "a whole number of at least 1"),
        ("rate_expiry_seconds", "1.5", "a whole number of at least 1"),
        ("rate_expiry_seconds", "1d", "a whole number of at least 1"),
        ("rate_max_series", "-1", "a whole number of at least 1"),
        ("datagram_size", "255", "of at least 256 and at most 8192"),
        ("datagram_size", "8193", "of at least 256 and at most 8192"),
        ("connect_timeout_seconds", "0", "a number of at least 0.1"),
        ("connect_timeout_seconds", "", "a number of at least 0.1"),
        ("connect_timeout_seconds", "nan", "a number of at least 0.1"),
        ("connect_timeout_seconds", "inf", "a number of at least 0.1"),
        ("send_timeout_seconds", "soon", "a number of at least 0.1"),
        ("reconnect_delay_max_seconds", "-1", "a number of at least 0.1"),
        ("buffer_size", "65535", "a whole number of at least 65536"),
        ("buffer_size", "32M", "a whole number of at least 65536"),
        ("buffer_size", "", "a whole number of at least 65536"),
        ("prefix", "a..b", "components of A-Z a-z 0-9 _ -"),
        ("prefix", "a b", "components of A-Z a-z 0-9 _ -"),
        ("prefix", "../x", "components of A-Z a-z 0-9 _ -"),
        ("template", "{meter}.{inst}", "{instance_id}"),
        ("template", "{prefix}.{device}", "{meter}"),
        ("template", "{meter}..x", "components that are not empty"),
        ("template", "{meter}.{", "fields in braces"),
        ("template", "", "components that are not empty"),
        ("definitions_file", "/does/not/exist", "No such file"),
    )

    def test_the_url_is_refused_with_option_value_and_what_is_allowed(self):
        for option, value, allowed in self.BAD:
            with self.subTest(option=option, value=value):
                error = self.error(urllib.parse.urlencode({option: value}))
                self.assertIn(option, error)
                self.assertIn(value, error)
                self.assertIn(allowed, error)

    def test_ceilometer_conf_is_refused_with_the_same_text(self):
        for option, value, allowed in self.BAD:
            with self.subTest(option=option, value=value):
                error = self.error(conf_text=f"{option} = {value}\n")
                self.assertIn(option, error)
                self.assertIn(value, error)
                self.assertIn(allowed, error)

    def test_each_number_and_choice_has_a_bad_value_in_the_table(self):
        with_limits = {
            opt.dest for opt in opts.GRAPHITE_OPTS
            if isinstance(opt.type, (types.Boolean, types.Number))
            or opt.type.choices}
        checked = {option for option, _, _ in self.BAD}
        for option in with_limits - checked:
            # At least a word is refused for options without an entry.
            self.assertIn(option, self.error(option + "=no-such-value"))

    def test_a_bad_template_is_refused_though_tags_do_not_use_it(self):
        self.assertIn("template", self.error("naming=tags&template={x}"))

    def test_a_bad_value_in_ceilometer_conf_is_an_error_even_if_unused(self):
        self.assertEqual(
            "[graphite] counters has to be one of rate, raw, both, and not "
            "'rates'", self.error("counters=raw", "counters = rates"))

    def test_a_bad_value_under_the_old_name_is_an_error(self):
        self.assertEqual(
            "[graphite] append_hostname has to be true or false, and not "
            "'maybe'", self.error(conf_text="hypervisor_in_prefix = maybe"))

    def test_a_reference_to_a_missing_option_is_refused(self):
        self.assertIn("[graphite] prefix has to be a text, and not ",
                      self.error(conf_text="prefix = $nonsense"))

    def test_the_error_of_a_definitions_file_names_its_entry_and_key(self):
        path = self.file("own.yaml", "rates:\n- meter: cpu\n  nam: x")
        self.assertEqual(
            "definitions_file: %s, entry 1 of rates: 'nam' is not one of "
            "meter, name, unit, scale, per, max" % path,
            self.error(conf_text="definitions_file = " + path))

    def test_a_size_with_a_unit_is_refused_with_the_number_to_type(self):
        for text, hint in (("64M", "buffer_size = 67108864 is 64 MiB"),
                           ("1GiB", "buffer_size = 1073741824 is 1 GiB"),
                           ("128 kB", "buffer_size = 131072 is 128 KiB")):
            with self.subTest(text):
                self.assertIn(hint, self.error(
                    conf_text="buffer_size = " + text))
                self.assertIn(hint, self.error(urllib.parse.urlencode(
                    {"buffer_size": text})))

    def test_a_bad_value_in_the_environment_is_named(self):
        self.useFixture(fixtures.EnvironmentVariable(
            "OS_GRAPHITE__COUNTERS", "some"))
        self.assertIn("and not 'some'", self.error(
            conf_text="counters = rates"))

    def test_a_key_needs_its_certificate(self):
        alone = self.error("protocol=tls&keyfile=/no/key")
        self.assertIn("keyfile = /no/key needs the certfile", alone)
        both = self.error("protocol=tls&certfile=/no/cert&keyfile=/no/key")
        self.assertNotIn("needs the certfile", both)

    def test_all_problems_are_reported_at_once(self):
        e = self.assertRaises(
            settings.ConfigError, self.load,
            "counters=some&prefx=a&protocol=udp&format=pickle",
            "buffer_size = 64M\ntls_verify = maybe\nprefix = a b\n"
            "template = {x}\ndefinitions_file = /no/such\n",
            endpoints="g:0,h:x")
        for begin, (problem, _) in zip((
                "[graphite] tls_verify has to be", "[graphite] buffer_size ",
                "counters in the URL has to be", "prefx is not an option",
                "format = pickle needs", "the port of 'g:0'",
                "an endpoint has to be", "prefix has to be",
                "template has to be", "definitions_file: /no/such"),
                e.problems, strict=True):
            self.assertTrue(problem.startswith(begin), problem)


class UnknownTest(OptsTestCase):
    """Options that oslo.config ignores."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def test_unknown_options_are_logged_with_a_suggestion(self):
        opts.register_opts(self.make_conf(
            "[graphite]\nprefx = lab\nappend-hostname = no\ncolour = 1\n"
            "[ceilometer_pipeline]\nprefix = lab\nforward_driver = log\n"))
        for text in ("[graphite] prefx is not an option, and is ignored; did "
                     "you mean prefix?",
                     "did you mean append_hostname?",
                     "[graphite] colour is not an option, and is ignored; "
                     "the options are append_hostname, ",
                     "[ceilometer_pipeline] prefix is not an option, and is "
                     "ignored; move it to [graphite]",
                     "did you mean forward_drivers?"):
            self.assertIn(text, self.log.output)

    def test_unknown_options_are_logged_once_for_all_urls(self):
        conf = self.make_conf("[graphite]\nprefx = lab\n")
        for url in "graphite://a", "graphite://b":
            settings.load_settings(conf, netutils.urlsplit(url))
        self.assertEqual(1, self.log.output.count("prefx"))

    def test_the_case_of_a_section_does_not_matter_like_in_oslo_config(self):
        conf = self.make_conf("[Graphite]\nprefx = lab\ncounters = raw\n")
        opts.register_opts(conf)
        self.assertEqual("raw", conf.graphite.counters)
        self.assertIn("[graphite] prefx is not an option", self.log.output)

    def test_old_names_of_options_are_known(self):
        opts.register_opts(self.make_conf(
            "[graphite]\nprefix = a\nhypervisor_in_prefix = no\n"
            "[DEFAULT]\nhost = b\n[other]\nprefix = c\n"))
        self.assertEqual("", self.log.output)

    def misplaced(self, text):
        conf = self.make_conf(text)
        conf.register_opt(cfg.StrOpt("protocol"), group="known")
        return opts.misplaced(conf)

    def test_our_option_in_another_section_is_a_problem(self):
        self.assertEqual(
            [opts.Problem("[DEFAULT] prefix is not an option, and is ignored",
                          "move it to [graphite]"),
             opts.Problem("[known] forward_drivers is not an option, and is "
                          "ignored", "move it to [ceilometer_pipeline]")],
            self.misplaced("[DEFAULT]\nprefix = a\nhost = b\n[known]\n"
                           "protocol = c\nforward_drivers = d\n"))

    def test_a_misspelled_section_is_a_problem(self):
        self.assertEqual(
            [opts.Problem("nothing reads the section [grafite]",
                          "did you mean [graphite]?")],
            self.misplaced("[grafite]\nprefix = a\n[host]\nprefix = b\n"
                           "[keystone_authtoken]\ncafile = c\n"))


class BadQueryTest(OptsTestCase):

    def test_a_misspelled_parameter_is_refused_with_a_suggestion(self):
        self.assertIn("prefx is not an option of a graphite:// URL; did you "
                      "mean prefix?", self.error("prefx=a"))

    def test_an_unknown_parameter_is_refused_with_all_known_ones(self):
        error = self.error("colour=a")
        self.assertIn("colour is not an option", error)
        for opt in opts.GRAPHITE_OPTS:
            self.assertIn(opt.name, error)
        self.assertIn("hypervisor_in_prefix", error)

    def test_an_option_of_another_group_is_unknown(self):
        self.assertIn("forward_drivers is not an option of a graphite:// URL;"
                      " move it to [ceilometer_pipeline]",
                      self.error("forward_drivers=messagingv2"))

    def test_an_empty_parameter_is_refused(self):
        for query in "&", "counters=raw&", "=raw", "counters=raw&&prefix=a":
            with self.subTest(query):
                self.assertIn("is not an option", self.error(query))

    def test_a_parameter_without_a_value_is_refused(self):
        self.assertIn("counters has to stand in the URL once, with a value",
                      self.error("counters"))

    def test_a_repeated_parameter_is_refused(self):
        self.assertIn("counters has to stand in the URL once",
                      self.error("counters=raw&counters=raw"))

    def test_the_case_of_an_option_matters(self):
        self.assertIn("Counters is not an option",
                      self.error("Counters=raw"))


class ListOptsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        entry_point, = importlib.metadata.entry_points(
            group="oslo.config.opts", name="ceilometer_graphite")
        self.list_opts = entry_point.load()

    def test_it_lists_every_option_of_both_groups(self):
        listed = {group: [opt.name for opt in options]
                  for group, options in self.list_opts()}
        self.assertEqual(
            {"graphite": [opt.name for opt in opts.GRAPHITE_OPTS],
             "ceilometer_pipeline": [opt.name
                                     for opt in opts.PIPELINE_OPTS]},
            listed)

    def test_changing_what_it_lists_changes_no_option(self):
        for _, options in self.list_opts():
            for opt in options:
                opt.default = opt.help = "changed"
                opt.deprecated_opts.append("changed")
        for opt in opts.GRAPHITE_OPTS + opts.PIPELINE_OPTS:
            self.assertNotEqual("changed", opt.default)
            self.assertNotEqual("changed", opt.help)
            self.assertNotIn("changed", opt.deprecated_opts)

    def test_changing_the_lists_loses_no_option(self):
        for _, options in self.list_opts():
            options.clear()
        self.assertTrue(opts.GRAPHITE_OPTS and opts.PIPELINE_OPTS)

    def test_every_option_says_what_it_is_for(self):
        for _, options in self.list_opts():
            for opt in options:
                self.assertTrue(opt.help and opt.help.endswith("."), opt.name)

    def test_units_stand_in_the_names_of_times(self):
        for opt in opts.GRAPHITE_OPTS:
            if opt.help.endswith("in seconds."):
                self.assertTrue(opt.name.endswith("_seconds"), opt.name)

    def test_a_datagram_is_never_larger_than_carbon_reads(self):
        size, = (opt for opt in opts.GRAPHITE_OPTS
                 if opt.dest == "datagram_size")
        self.assertEqual((1400, wire.MAX_DATAGRAM_BYTES, 8192),
                         (size.default, size.type.max, size.type.max))
