"""How many calls there were, by minute, five minutes and hour: rolling, and small. Pure.

Made by `callmux.observe.chronicle`; kept on disk by `callmux.observe.history_file`. With each call one bucket
changes, that of its minute; once the minute is over it goes into all tiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callmux.observe.samples import Sample

FIELDS = (
    *("calls", "meta", "passthrough", "downstream", "cacheHits", "errors", "bytesIn", "bytesOut"),
    *("toonCalls", "jsonCalls", "toonSaved"),
)
(CALLS, META, PASSTHROUGH, DOWNSTREAM, CACHE_HITS, ERRORS, BYTES_IN, BYTES_OUT, TOON, JSON, SAVED) = range(11)
TIERS = {"minute": (60, 120), "fiveMin": (300, 576), "hour": (3600, 744)}
"""Seconds of a bucket, and how many are kept."""
DAY = 86400
RANGES = {"1h": "minute", "today": "fiveMin", "yesterday": "fiveMin", "7d": "hour", "30d": "hour"}
SPANS = {"1h": 3600, "7d": 7 * DAY, "30d": 30 * DAY}
USUAL = "1h"
VERSION = 1
MOST_SERVERS = 500
OVERFLOW = "__overflow__"
_SERVER = ("calls", "errors", "downstream", "bytesOut", "totalDurationMs", "lastCallAt")
Bucket = list[int]


class History:
    """The counts.

    Args:
        now: The time of day.

    Attributes:
        started: When counting began, in seconds since 1970.
        changed: How often something was counted.
    """

    def __init__(self, now: float) -> None:
        self.started = now
        self.changed = 0
        self._aggregate = _empty()
        self._servers: dict[str, dict[str, float]] = {}
        self._tiers: dict[str, dict[int, Bucket]] = {name: {} for name in TIERS}
        self._minute = 0
        self._current = _empty()

    def add(self, sample: Sample) -> None:
        """Counts a call."""
        bucket = self._bucket_of(sample.at)
        bucket[CALLS] += 1
        bucket[META] += sample.meta
        bucket[PASSTHROUGH] += sample.passthrough
        bucket[DOWNSTREAM] += sample.downstream
        bucket[CACHE_HITS] += sample.cached
        bucket[ERRORS] += not sample.ok
        bucket[BYTES_IN] += sample.sent
        bucket[BYTES_OUT] += sample.received
        bucket[JSON] += 1
        self.changed += 1
        self._count_servers(sample)

    def shortened(self, at: float, saved: int) -> None:
        """An answer that was counted, or is about to be, went out as TOON, so many bytes shorter."""
        bucket = self._bucket_of(at)
        bucket[TOON] += 1
        bucket[JSON] -= 1
        bucket[SAVED] += saved
        self.changed += 1

    def _bucket_of(self, at: float) -> Bucket:
        minute = int(at // 60)
        if minute != self._minute:
            self._fold()
            self._minute = minute
        return self._current

    def _count_servers(self, sample: Sample) -> None:
        found: dict[str, int] = {}
        for server, _, count in sample.targets:
            found[server] = found.get(server, 0) + count
        for server, count in found.items():
            known = self._servers.get(server)
            if known is None:
                if len(self._servers) >= MOST_SERVERS:
                    server = OVERFLOW
                known = self._servers.setdefault(server, dict.fromkeys(_SERVER, 0))
            known["calls"] += 1
            known["errors"] += not sample.ok
            known["downstream"] += count
            known["bytesOut"] += sample.received // len(found)
            known["totalDurationMs"] += round(sample.seconds * 1000)
            known["lastCallAt"] = round(sample.at * 1000)

    def _fold(self) -> None:
        """Puts the counts of a minute that is over into all tiers."""
        if not any(self._current):
            return
        at, current = self._minute * 60, self._current
        self._current = _empty()
        _sum(self._aggregate, current)
        for name, (step, most) in TIERS.items():
            tier = self._tiers[name]
            _sum(tier.setdefault(at // step * step, _empty()), current)
            while len(tier) > most:
                del tier[min(tier)]

    def totals(self) -> dict[str, int]:
        """All that was ever counted."""
        whole = self._aggregate.copy()
        _sum(whole, self._current)
        return _named(whole)

    def servers(self) -> list[dict[str, Any]]:
        """The servers, those with most calls first."""
        ordered = sorted(self._servers.items(), key=lambda item: (-item[1]["calls"], item[0]))
        return [{"server": name, **{key: round(n) for key, n in found.items()}} for name, found in ordered]

    def series(self, range: str, now: float, midnight: float) -> dict[str, Any]:
        """The counts of a time, with zeros where nothing was counted.

        Args:
            range: One of `RANGES`; anything else means the last hour.
            now: The time of day.
            midnight: When this day began where we are.
        """
        range = range if range in RANGES else USUAL
        begin, end = span(range, now, midnight)
        step = TIERS[RANGES[range]][0]
        tier = dict(self._tiers[RANGES[range]])
        if any(self._current):
            at = self._minute * 60 // step * step
            both = tier.get(at, _empty()).copy()
            _sum(both, self._current)
            tier[at] = both
        points, whole = [], _empty()
        at = int(begin // step * step)
        last = int(end // step * step)
        while at < last or (at == last and range != "yesterday"):
            bucket = tier.get(at)
            if bucket is not None:
                _sum(whole, bucket)
            points.append({"t": at * 1000, **_named(bucket or _empty())})
            at += step
        series = {
            "range": range,
            "bucketMs": step * 1000,
            "from": round(begin * 1000),
            "to": round(end * 1000),
            "points": points,
            "totals": _named(whole),
        }
        return {**self.facts(), "range": range, "series": series}

    def facts(self) -> dict[str, Any]:
        """Since when it counts, and what."""
        return {
            "startedAt": round(self.started * 1000),
            "totals": self.totals(),
            "servers": self.servers(),
        }

    def dump(self) -> dict[str, Any]:
        """All of it, for a file."""
        self._fold()
        tiers = {
            name: {
                "stepMs": step * 1000,
                "retain": most,
                "buckets": [[at * 1000, _named(bucket)] for at, bucket in sorted(self._tiers[name].items())],
            }
            for name, (step, most) in TIERS.items()
        }
        return {
            "version": VERSION,
            "startedAt": round(self.started * 1000),
            "aggregate": _named(self._aggregate),
            "servers": {name: dict(found) for name, found in self._servers.items()},
            "tiers": tiers,
        }


def span(range: str, now: float, midnight: float) -> tuple[float, float]:
    """Begin and end of a range, in seconds since 1970."""
    if range == "today":
        return midnight, now
    if range == "yesterday":
        return midnight - DAY, midnight
    return now - SPANS.get(range, SPANS[USUAL]), now


def restored(document: object, now: float) -> History | None:
    """The counts in a file; None where they cannot be used."""
    history = History(now)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        return None
    try:
        history.started = _number(document["startedAt"]) / 1000
        history._aggregate = _bucket(document["aggregate"])
        for name in TIERS:
            for at, bucket in document["tiers"][name]["buckets"]:
                history._tiers[name][int(_number(at) // 1000)] = _bucket(bucket)
        for server, found in document["servers"].items():
            known = {key: _number(found.get(key, 0)) for key in _SERVER}
            history._servers[str(server)] = known
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return history


def joined(there: dict[str, Any], now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """A dump with all that two processes have counted.

    Args:
        there: What a file holds, to which another process may have written.
        now: What this process knows.
        before: What it knew when it read or wrote the file last.
    """
    tiers = {}
    for name, (_, most) in TIERS.items():
        kept, new, old = (dict(dump["tiers"][name]["buckets"]) for dump in (there, now, before))
        times = sorted(kept.keys() | new.keys())[-most:]
        buckets = [[at, _grown(kept.get(at), new.get(at), old.get(at))] for at in times]
        tiers[name] = {**now["tiers"][name], "buckets": buckets}
    servers = {}
    for name in there["servers"] | now["servers"]:
        known = [dump["servers"].get(name) for dump in (there, now, before)]
        last = max(one["lastCallAt"] for one in known if one is not None)
        servers[name] = {**_grown(*known), "lastCallAt": last}
    return {
        **now,
        "startedAt": min(there["startedAt"], now["startedAt"]),
        "aggregate": _grown(there["aggregate"], now["aggregate"], before["aggregate"]),
        "servers": servers,
        "tiers": tiers,
    }


def _grown(
    there: dict[str, float] | None, now: dict[str, float] | None, before: dict[str, float] | None
) -> dict[str, float]:
    if now is None or (there is not None and now == before):
        return there or {}
    kept, old = there or {}, before or {}
    return {key: kept.get(key, 0) + n - old.get(key, 0) for key, n in now.items()}


def _empty() -> Bucket:
    return [0] * len(FIELDS)


def _sum(into: Bucket, more: Bucket) -> None:
    for n, count in enumerate(more):
        into[n] += count


def _named(bucket: Bucket) -> dict[str, int]:
    return dict(zip(FIELDS, bucket, strict=True))


def _bucket(given: Mapping[str, Any]) -> Bucket:
    return [int(_number(given.get(name, 0))) for name in FIELDS]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError(value)
    return value
