"""The commands of members: each module is a group of them, loaded when one is called.

opening     which account is meant, its passphrase, and a client that is open
saying      how messages, rooms and times are told, to people and to programs
"""
