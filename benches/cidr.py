"""What allocating blocks costs with Python's ipaddress and netaddr: prints library, number of blocks, nanoseconds each.

Both keep the free space and cut from it what is wanted, as IPAMs in Python do: the smallest free block that suffices.
"""

import ipaddress
import time

PREFIX = 28
SPACE = "10.0.0.0/7"


def with_ipaddress(count):
    free = [ipaddress.ip_network(SPACE)]
    for _ in range(count):
        block = max((b for b in free if b.prefixlen <= PREFIX), key=lambda b: (b.prefixlen, -int(b.network_address)))
        free.remove(block)
        found = next(block.subnets(new_prefix=PREFIX))
        free.extend(block.address_exclude(found))


def with_netaddr(count):
    free = netaddr.IPSet([SPACE])
    for _ in range(count):
        block = max((b for b in free.iter_cidrs() if b.prefixlen <= PREFIX), key=lambda b: (b.prefixlen, -b.first))
        free.remove(next(block.subnet(PREFIX)))


def measure(name, fill, most):
    for count in (10, 100, 1_000, 10_000, 100_000, 1_000_000):
        if count > most:
            break
        best = float("inf")
        for _ in range(3 if count > 100 else 20):
            start = time.perf_counter()
            fill(count)
            best = min(best, time.perf_counter() - start)
        print(name, count, best * 1e9 / count, flush=True)


measure("ipaddress", with_ipaddress, 10_000)
try:
    import netaddr
except ImportError:
    pass
else:
    measure("netaddr", with_netaddr, 10_000)
