"""Makes ipaddress.txt: what Python's ipaddress says about random blocks. The same numbers in every run."""

import ipaddress
import random
import sys

draw = random.Random(20261122)


def block(within=None):
    """A random block, of either family or inside another one."""
    if within is None:
        within = ipaddress.ip_network(draw.choice(["10.0.0.0/8", "0.0.0.0/0", "192.168.0.0/16", "2001:db8::/32", "::/0"]))
    prefix = draw.randint(within.prefixlen, min(within.max_prefixlen, within.prefixlen + draw.choice([4, 12, 128])))
    number = int(within.network_address) + draw.getrandbits(within.max_prefixlen - within.prefixlen)
    return type(within)((number, prefix), strict=False)


def without(free, taken):
    """The blocks that are left of some without one."""
    for one in free:
        if not one.overlaps(taken):
            yield one
        elif not one.subnet_of(taken):
            yield from one.address_exclude(taken)


def main():
    print(f"# Made by ipaddress.py with Python {sys.version.split()[0]}. Numbers of addresses are those of the whole block.")
    print("# pair <a> <b> <overlap> <b is inside a> <a is inside b>")
    for _ in range(1_500):
        a = block()
        b = block(a) if draw.random() < 0.4 else block(a.supernet(min(8, a.prefixlen)))
        if draw.random() < 0.5:
            a, b = b, a
        print("pair", a, b, int(a.overlaps(b)), int(b.subnet_of(a)), int(a.subnet_of(b)))
    print("# text <block with host bits or not> <is strict> <canonical>")
    for _ in range(700):
        a = block()
        address = a.network_address + draw.choice([0, draw.randrange(a.num_addresses)])
        text = f"{address}/{a.prefixlen}"
        try:
            ipaddress.ip_network(text)
            strict = 1
        except ValueError:
            strict = 0
        print("text", text, strict, a)
    print("# subnets <block> <prefix> <how many> <n> <the n-th> <last address of the n-th>")
    for _ in range(400):
        a = block()
        prefix = draw.randint(a.prefixlen, min(a.max_prefixlen, a.prefixlen + 16))
        count = 2 ** (prefix - a.prefixlen)
        number = draw.randrange(count)
        size = 2 ** (a.max_prefixlen - prefix)
        nth = type(a)((int(a.network_address) + number * size, prefix))
        assert nth.subnet_of(a)
        print("subnets", a, prefix, count, number, nth, nth.broadcast_address)
    print("# free <block> <taken, comma> <the largest blocks that are left, by address>")
    for _ in range(400):
        a = block()
        while a.prefixlen > a.max_prefixlen - 4:
            a = block()
        taken = [block(a) for _ in range(draw.randint(1, 8))]
        free = [a]
        for one in taken:
            free = list(without(free, one))
        free = list(ipaddress.collapse_addresses(free))
        if len(free) < 40:
            print("free", a, ",".join(map(str, taken)), ",".join(map(str, free)) or "-")


main()
