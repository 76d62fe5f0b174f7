"""What the benchmark of the terminal app runs in processes of their own."""
