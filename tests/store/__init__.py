"""The promises of a database, kept by each of them: one suite, every back end."""
