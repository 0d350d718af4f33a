"""Trained models as graph files, and what those answer in each runtime."""
