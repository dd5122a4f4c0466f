# SPDX-License-Identifier: Apache-2.0
"""What a pprof, and a push of them, must be for `go tool pprof` and Pyroscope to keep all of it.

    assert check_profile(data) == []
    assert check_series(server.series) == []

Each returns sentences, one for each fault. `data` may be gzipped. The rules are those that the server enforces by
refusing, and, worse, those whose breach it answers with silence: samples that vanish.
"""

import gzip
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))

from messages import message  # noqa: E402

SAMPLES_MAX = 16000
BYTES_MAX = 2 << 20
DEPTH_MAX = 1000
STRING_MAX = 65535
LABELS_MAX = 30
LABEL_VALUE_MAX = 2048
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
REQUIRED_LABELS = ("__name__", "service_name", "__delta__")
PAST_NS, FUTURE_NS = 3600 * 10**9, 600 * 10**9
# How often one fault is told: a profile that breaks a rule breaks it thousands of times.
TOLD_MAX = 5


class _Faults:
    def __init__(self):
        self.told = []
        self._counts = {}

    def add(self, rule, what=""):
        count = self._counts[rule] = self._counts.get(rule, 0) + 1
        if count <= TOLD_MAX:
            self.told.append(f"{rule}: {what}" if what else rule)

    def check(self, holds, rule, what=""):
        if not holds:
            self.add(rule, what)


def decode(data):
    """The message, and its bytes without gzip. Raises ValueError."""
    try:
        raw = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        profile = message("profile", "Profile")()
        profile.ParseFromString(raw)
    except Exception as error:
        raise ValueError(f"does not decode: {error}") from error
    return profile, raw


def check_profile(data, pushed=False, now_ns=None):
    """Faults of one profile; with `pushed` also by the limits of the server, and its clock (`now_ns`, wall)."""
    try:
        profile, raw = decode(data)
    except ValueError as error:
        # Also one string that is not UTF-8.
        return [str(error)]
    faults = _Faults()
    strings = profile.string_table
    if not strings or strings[0] != "":
        return ["string_table[0] is not empty"]
    if not _check_strings(faults, profile):
        return faults.told
    _check_types(faults, profile)
    ids = _check_ids(faults, profile)
    _check_mappings(faults, profile)
    _check_functions(faults, profile)
    _check_locations(faults, profile, ids)
    _check_samples(faults, profile, ids)
    if pushed:
        _check_limits(faults, profile, raw, time.time_ns() if now_ns is None else now_ns)
    return faults.told


def _check_strings(faults, profile):
    """True when every index leads into the table, so that the other rules can name things."""
    used = [profile.drop_frames, profile.keep_frames, profile.default_sample_type, profile.doc_url]
    used += profile.comment
    used += [profile.period_type.type, profile.period_type.unit]
    used += [index for kind in profile.sample_type for index in (kind.type, kind.unit)]
    used += [index for m in profile.mapping for index in (m.filename, m.build_id)]
    used += [index for f in profile.function for index in (f.name, f.system_name, f.filename)]
    for sample in profile.sample:
        used += [index for label in sample.label for index in (label.key, label.str, label.num_unit)]
    wild = [index for index in used if not 0 <= index < len(profile.string_table)]
    for index in wild:
        faults.add("a string's index leads nowhere", index)
    for text in profile.string_table:
        faults.check(len(text.encode()) <= STRING_MAX, "a string is too long", text[:40])
    return not wild


def _check_types(faults, profile):
    strings = profile.string_table
    names = [strings[kind.type] for kind in profile.sample_type]
    faults.check(names, "there is no sample type")
    faults.check(len(set(names)) == len(names), "a sample type is there twice", names)
    for kind in profile.sample_type:
        faults.check(strings[kind.type], "a sample type has no name")
        faults.check(strings[kind.unit], "a sample type has no unit", strings[kind.type])
        faults.check("-" not in strings[kind.type], "a sample type's name has a '-'", strings[kind.type])
    faults.check(profile.HasField("period_type"), "period_type is not set")
    default = strings[profile.default_sample_type]
    faults.check(not default or default in names, "default_sample_type is none of the sample types", default)
    faults.check(profile.period >= 0, "the period is negative")
    faults.check(profile.time_nanos > 0, "time_nanos is not set")
    faults.check(profile.duration_nanos >= 0, "the duration is negative")


def _check_ids(faults, profile):
    """The ids of mappings, locations and functions; none may be 0 or there twice."""
    ids = {}
    for name in ("mapping", "location", "function"):
        every = [thing.id for thing in getattr(profile, name)]
        ids[name] = set(every)
        faults.check(0 not in ids[name], f"a {name} has id 0")
        faults.check(len(every) == len(ids[name]), f"a {name}'s id is there twice")
    return ids


def _check_mappings(faults, profile):
    strings = profile.string_table
    for mapping in profile.mapping:
        name = strings[mapping.filename]
        faults.check(name, "a mapping has no file name", mapping.id)
        sound = mapping.memory_start < mapping.memory_limit or mapping.memory_start == mapping.memory_limit == 0
        faults.check(sound, "a mapping ends before it starts", name)
        detail = mapping.has_filenames or mapping.has_line_numbers or mapping.has_inline_frames
        faults.check(mapping.has_functions or not detail, "a mapping has lines but no functions", name)
        build_id = strings[mapping.build_id]
        faults.check(re.fullmatch("([0-9a-f][0-9a-f])*", build_id), "a build id is not hexadecimal", build_id)


def _check_functions(faults, profile):
    for function in profile.function:
        faults.check(profile.string_table[function.name], "a function has no name", function.id)


def _check_locations(faults, profile, ids):
    mappings = {mapping.id: mapping for mapping in profile.mapping}
    names = {function.id: profile.string_table[function.name] for function in profile.function}
    for location in profile.location:
        for line in location.line:
            faults.check(line.function_id in ids["function"], "a line's function is not there", line.function_id)
        # Pyroscope drops samples of the one, and does not show the other.
        faults.check(location.line or location.address, "a location has neither line nor address", location.id)
        faults.check(location.line, "a location has no name", hex(location.address))
        if location.mapping_id == 0:
            pseudo = [names.get(line.function_id, "") for line in location.line]
            faults.check(all(name.startswith("[") for name in pseudo), "a real frame is in no mapping", pseudo)
            continue
        mapping = mappings.get(location.mapping_id)
        faults.check(mapping, "a location's mapping is not there", location.mapping_id)
        if mapping and mapping.memory_limit:
            inside = mapping.memory_start <= location.address < mapping.memory_limit
            faults.check(inside, "an address is outside of its mapping", f"{location.address:#x}")


def _check_samples(faults, profile, ids):
    type_cnt = len(profile.sample_type)
    for sample in profile.sample:
        faults.check(len(sample.value) == type_cnt, "a sample has another number of values", list(sample.value))
        faults.check(all(value >= 0 for value in sample.value), "a value is negative", list(sample.value))
        faults.check(any(sample.value), "every value of a sample is 0")
        faults.check(sample.location_id, "a sample has no stack")
        faults.check(len(sample.location_id) <= DEPTH_MAX, "a stack is too deep", len(sample.location_id))
        faults.check(ids["location"].issuperset(sample.location_id), "a sample's location is not there")


def _check_limits(faults, profile, raw, now_ns):
    faults.check(len(profile.sample) <= SAMPLES_MAX, "too many samples", len(profile.sample))
    faults.check(profile.sample, "there is no sample")
    faults.check(len(raw) <= BYTES_MAX, "too many bytes", len(raw))
    faults.check(profile.duration_nanos > 0, "the duration is not set")
    in_time = now_ns - PAST_NS <= profile.time_nanos <= now_ns + FUTURE_NS
    faults.check(in_time, "the time is out of the server's window", profile.time_nanos)
    for sample in profile.sample:
        # They would become labels of the series: one for each value.
        faults.check(not any(label.str for label in sample.label), "a sample has a label of text")


def check_labels(labels):
    """Faults of the labels, pairs as sent, of one series."""
    faults = _Faults()
    names = [name for name, _ in labels]
    faults.check(names == sorted(names), "the labels are not sorted", names)
    faults.check(len(set(names)) == len(names), "a label is there twice", names)
    faults.check(len(names) <= LABELS_MAX, "too many labels", len(names))
    for name, value in labels:
        faults.check(LABEL_NAME.match(name), "a label's name is not allowed", name)
        faults.check(value, "a label is empty", name)
        faults.check(len(value.encode()) <= LABEL_VALUE_MAX, "a label's value is too long", name)
    for name in REQUIRED_LABELS:
        faults.check(name in names, "a label is missing", name)
    # Else Pyroscope's first storage takes alloc_* values for running totals.
    faults.check(dict(labels).get("__delta__", "false") == "false", "__delta__ is not false")
    return faults.told


def check_series(every, now_ns=None):
    """Faults of all that was sent, of `labels` and `profiles` each: also what two of them have in common."""
    told, seen = [], {}
    for series in every:
        name = dict(series.labels).get("service_name", "?")
        told += [f"{name}: {fault}" for fault in check_labels(series.labels)]
        if not series.profiles:
            told.append(f"{name}: a series has no profile")
        for data in series.profiles:
            told += [f"{name}: {fault}" for fault in check_profile(data, pushed=True, now_ns=now_ns)]
            try:
                profile, _ = decode(data)
            except ValueError:
                continue
            # Compaction keeps one of those that have the same labels and time.
            key = (tuple(sorted(series.labels)), profile.time_nanos)
            if key in seen:
                told.append(f"{name}: two profiles have the same labels and time: {profile.time_nanos}")
            seen[key] = True
    return told
