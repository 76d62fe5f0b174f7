"""What `bench_client` measures, one module for each kind of figure."""
