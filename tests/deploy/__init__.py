"""Tests of what is used to run the server for others: the image, the service, the guides."""
