"""Results of reads that are kept for a while: which, under which key, and for how long."""
