"""The proof of what is promised about time, delivery and crashes, on real brokers: `make proof`."""
