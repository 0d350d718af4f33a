"""Public recordings: one file a dataset, found by the environment variable EDGE_DATA."""
