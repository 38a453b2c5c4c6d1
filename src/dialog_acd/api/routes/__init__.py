"""One file per noun; each function asks a port and shapes the answer, nothing more."""
