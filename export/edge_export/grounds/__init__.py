"""What is simulated, or put into recordings, so that accuracy can be told."""
