"""`edge-agent demo`: broker, simulated plant and agent, and a screen that watches them."""
