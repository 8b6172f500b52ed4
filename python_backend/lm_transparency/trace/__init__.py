"""One forward pass, recorded: residual states, queries, keys, values; and the proof that parts sum to the whole."""
