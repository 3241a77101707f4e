"""Work that is cut into shards: the same code in this process, in others on this machine, or on the machines of a cluster."""
