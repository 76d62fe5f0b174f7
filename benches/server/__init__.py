"""The parts of `bench_server`: a load generator, one module for each workload, and the bare limits.

figures    what was found, printed           house      `alcove serve` in a process of its own
people     keys, and what they sign          link       one WebSocket connection, and who is on it
rooms      rooms and messages                flow       counting, and checking that nothing is lost
"""
