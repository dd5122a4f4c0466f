# SPDX-License-Identifier: Apache-2.0
"""The rules themselves: each must see its fault, and nothing in a profile that has none."""

import collections
import gzip

import pytest

from pprof_rules import check_labels, check_profile, check_series, message

NOW_NS = 1_700_000_000 * 10**9
STRINGS = ["", "samples", "count", "cpu", "nanoseconds", "/bin/prog", "ab12", "main", "work", "/src/a.c"]

Series = collections.namedtuple("Series", "labels profiles")
LABELS = (("__delta__", "false"), ("__name__", "process_cpu"), ("host", "n1"), ("service_name", "web"))


def make_profile():
    profile = message("profile", "Profile")()
    profile.string_table.extend(STRINGS)
    profile.sample_type.add(type=1, unit=2)
    profile.sample_type.add(type=3, unit=4)
    profile.period_type.type, profile.period_type.unit, profile.period = 3, 4, 10
    profile.time_nanos, profile.duration_nanos, profile.default_sample_type = NOW_NS, 15 * 10**9, 3
    profile.mapping.add(
        id=1, memory_start=0x1000, memory_limit=0x3000, filename=5, build_id=6, has_functions=True, has_filenames=True
    )
    for number, name in ((1, 7), (2, 8)):
        profile.function.add(id=number, name=name, system_name=name, filename=9)
        location = profile.location.add(id=number, mapping_id=1, address=0x1000 + number)
        location.line.add(function_id=number, line=number)
    profile.sample.add(location_id=[2, 1], value=[3, 30])
    profile.sample.add(location_id=[1], value=[0, 5])
    return profile


def encoded(change=None):
    profile = make_profile()
    if change:
        change(profile)
    return profile.SerializeToString()


def put(things, index, **fields):
    for name, value in fields.items():
        setattr(things[index], name, value)


FAULTS = {
    "string_table[0] is not empty": lambda p: p.string_table.__setitem__(0, "x"),
    "a string's index leads nowhere": lambda p: put(p.function, 0, name=99),
    "a string is too long": lambda p: p.string_table.__setitem__(7, "x" * 65536),
    "there is no sample type": lambda p: p.ClearField("sample_type"),
    "a sample type is there twice": lambda p: put(p.sample_type, 1, type=1),
    "a sample type has no name": lambda p: put(p.sample_type, 0, type=0),
    "a sample type has no unit": lambda p: put(p.sample_type, 0, unit=0),
    "a sample type's name has a '-'": lambda p: p.string_table.__setitem__(1, "alloc-space"),
    "period_type is not set": lambda p: p.ClearField("period_type"),
    "default_sample_type is none of the sample types": lambda p: setattr(p, "default_sample_type", 7),
    "the period is negative": lambda p: setattr(p, "period", -1),
    "time_nanos is not set": lambda p: setattr(p, "time_nanos", 0),
    "the duration is negative": lambda p: setattr(p, "duration_nanos", -1),
    "a mapping has id 0": lambda p: put(p.mapping, 0, id=0),
    "a function's id is there twice": lambda p: put(p.function, 1, id=1),
    "a location has id 0": lambda p: put(p.location, 1, id=0),
    "a mapping has no file name": lambda p: put(p.mapping, 0, filename=0),
    "a mapping ends before it starts": lambda p: put(p.mapping, 0, memory_limit=0x10),
    "a mapping has lines but no functions": lambda p: put(p.mapping, 0, has_functions=False),
    "a build id is not hexadecimal": lambda p: p.string_table.__setitem__(6, "\x01\x02"),
    "a function has no name": lambda p: put(p.function, 1, name=0),
    "a line's function is not there": lambda p: put(p.location[0].line, 0, function_id=9),
    "a location has neither line nor address": lambda p: (p.location[0].ClearField("line"), put(p.location, 0, address=0)),
    "a location has no name": lambda p: p.location[0].ClearField("line"),
    "a real frame is in no mapping": lambda p: put(p.location, 0, mapping_id=0),
    "a location's mapping is not there": lambda p: put(p.location, 0, mapping_id=7),
    "an address is outside of its mapping": lambda p: put(p.location, 0, address=0x3000),
    "a sample has another number of values": lambda p: p.sample[0].value.append(1),
    "a value is negative": lambda p: p.sample[0].value.__setitem__(1, -1),
    "every value of a sample is 0": lambda p: p.sample[1].value.__setitem__(1, 0),
    "a sample has no stack": lambda p: p.sample[0].ClearField("location_id"),
    "a stack is too deep": lambda p: p.sample[0].location_id.extend([1] * 1000),
    "a sample's location is not there": lambda p: p.sample[0].location_id.append(77),
}

PUSHED_FAULTS = {
    "too many samples": lambda p: [p.sample.add(location_id=[1], value=[1, 1]) for _ in range(16000)],
    "there is no sample": lambda p: p.ClearField("sample"),
    "too many bytes": lambda p: p.string_table.extend(["y" * 65000] * 33),
    "the duration is not set": lambda p: setattr(p, "duration_nanos", 0),
    "the time is out of the server's window": lambda p: setattr(p, "time_nanos", NOW_NS - 3601 * 10**9),
    "a sample has a label of text": lambda p: p.sample[0].label.add(key=7, str=8),
}


def test_a_good_profile_has_no_fault():
    assert check_profile(encoded()) == []
    assert check_profile(gzip.compress(encoded()), pushed=True, now_ns=NOW_NS) == []


def test_a_pseudo_frame_needs_no_mapping():
    def change(profile):
        profile.string_table.append("[truncated]")
        profile.function.add(id=3, name=len(STRINGS))
        profile.location.add(id=3).line.add(function_id=3)
        profile.sample[0].location_id.append(3)

    assert check_profile(encoded(change)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_seen(fault):
    told = check_profile(encoded(FAULTS[fault]))
    assert any(text.startswith(fault) for text in told), told


@pytest.mark.parametrize("fault", PUSHED_FAULTS)
def test_each_limit_of_the_server_is_seen(fault):
    data = encoded(PUSHED_FAULTS[fault])
    told = check_profile(data, pushed=True, now_ns=NOW_NS)
    assert any(text.startswith(fault) for text in told), told
    assert check_profile(data) == []


def test_one_string_that_is_not_utf8_spoils_the_profile():
    data = encoded().replace(b"/src/a.c", b"/src/\xff.c")
    assert "does not decode" in check_profile(data)[0]


@pytest.mark.parametrize("data", [b"\x1f\x8bnot gzip", b"\xff\xff\xff", gzip.compress(b"x" * 100)[:-4]])
def test_what_does_not_decode_is_a_fault(data):
    assert "does not decode" in check_profile(data)[0]


def test_a_fault_that_repeats_is_told_a_few_times():
    def change(profile):
        for _ in range(1000):
            profile.sample.add(location_id=[1], value=[0, 0])

    assert len(check_profile(encoded(change))) == 5


LABEL_FAULTS = {
    "the labels are not sorted": LABELS[::-1],
    "a label is there twice": LABELS[:3] + LABELS[2:],
    "too many labels": LABELS + tuple((f"z{i:02}", "v") for i in range(27)),
    "a label's name is not allowed": LABELS + (("zone.name", "a"),),
    "a label is empty": LABELS + (("zone", ""),),
    "a label's value is too long": LABELS + (("zone", "é" * 1025),),
    "a label is missing": LABELS[:3],
    "__delta__ is not false": (("__delta__", "true"),) + LABELS[1:],
}


@pytest.mark.parametrize("fault", LABEL_FAULTS)
def test_each_fault_of_labels_is_seen(fault):
    assert any(text.startswith(fault) for text in check_labels(LABEL_FAULTS[fault]))


def test_labels_and_time_are_unique_over_everything_sent():
    later = encoded(lambda p: setattr(p, "time_nanos", NOW_NS + 1))
    other = tuple((name, "db" if name == "service_name" else value) for name, value in LABELS)
    good = [Series(LABELS, (encoded(), later)), Series(other, (encoded(),))]
    assert check_labels(LABELS) == []
    assert check_series(good, now_ns=NOW_NS) == []
    told = check_series(good + [Series(LABELS, (later,))], now_ns=NOW_NS)
    assert told == [f"web: two profiles have the same labels and time: {NOW_NS + 1}"]


def test_a_fault_is_told_with_the_service_it_is_of():
    told = check_series([Series(LABELS, (encoded(FAULTS["a value is negative"]),)), Series(LABELS, ())], now_ns=NOW_NS)
    assert told == ["web: a value is negative: [3, -1]", "web: a series has no profile"]
