"""Results too large to send whole: a preview goes out, the rest is kept and read in pages."""
