# SPDX-License-Identifier: Apache-2.0
"""loop.py SECONDS: pure Python and its C parts (json, re, sort, hash), through calls of different depth."""

import hashlib
import json
import re
import sys
import time

WORD = re.compile(r"(\w+)-(\d+)")


class Shop:
    def __init__(self, orders):
        self.orders = orders

    def totals(self):
        sums = {}
        for order in self.orders:
            for item in order["items"]:
                sums[item["name"]] = sums.get(item["name"], 0) + item["price"] * item["count"]
        return sums

    def best(self, count):
        return sorted(self.totals().items(), key=lambda pair: -pair[1])[:count]


def make_orders(seed):
    return [
        {"id": i, "items": [{"name": f"item-{(seed * 31 + i * j) % 97}", "price": i % 13, "count": j} for j in range(5)]}
        for i in range(120)
    ]


def descend(level, action):
    return descend(level - 1, action) if level else action()


def transfer(orders):
    return json.loads(json.dumps(orders))


def fingerprint(shop):
    text = " ".join(name for name, _ in shop.best(50))
    numbers = [int(number) for _, number in WORD.findall(text)]
    return hashlib.sha256(repr(numbers).encode()).hexdigest()


def main():
    end = time.monotonic() + float(sys.argv[1])
    seed = 0
    while time.monotonic() < end:
        seed += 1
        orders = descend(seed % 20, lambda: transfer(make_orders(seed)))
        descend(seed % 7, lambda: fingerprint(Shop(orders)))


main()
