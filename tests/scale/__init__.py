"""Agreement at scale: drawn cases by the million, each a whole call on bytecode and the whole of its twin."""
