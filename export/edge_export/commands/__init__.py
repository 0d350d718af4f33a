"""What `edge-export` is asked to do: a file a command."""
