"""The tables of the local database, one file of SQL for each noun."""
