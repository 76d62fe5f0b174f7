"""Fuzzers in plain Python: real messages, damaged in every way, given to everything that reads.

    python -m fuzz                                    a short run of every target
    python -m fuzz tree leaf --inputs 100000          some targets, longer
    python -m fuzz --seed 7 --resume fuzz.json        goes on where that file says it stopped

Decoders parse or raise `DecodeError`, and what parses encodes to the same bytes.  Groups return a
result or raise a `PeerError`, and stay what they were.  A run is a function of its seed.
"""
