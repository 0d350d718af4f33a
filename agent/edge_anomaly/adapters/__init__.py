"""One file per outside library; each decides nothing."""
