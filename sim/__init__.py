"""The deterministic simulator: whole worlds of people, devices and a server, each from one seed.

    world     the clock, the heap of events, the dice, the record of what happened
    faults    which faults a world has, how often, and how often they struck
    network   connections that break, stall and are slow
    disks     a device's disk: crashes around commits, snapshots that come back
    house     the server: the shipped one, wired in one thread
    devices   a device: the shipped engine and link on a disk of its own
    people    who does what: the actors
    malice    members and servers that lie
    checks    what must be true when everything has healed, in code of its own
    endings   the same: what must have come to an end
    knowledge the same: what devices know
    telling   the logs in words, when something is not right
    swarm     many seeds
    mutants   sabotages that the checks must find

Nothing here knows how a room, an outbox or MLS works: that is what is tested.
"""
