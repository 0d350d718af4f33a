"""Recordings, wherever they come from, and the windows that the agent would cut from them."""
