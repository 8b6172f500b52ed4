"""Questions about an analysis: a node, an edge, a head, a feed-forward block, a neuron, the lens over all layers.

The command line, the server and Python callers share these functions. They check indices, and turn vectors into tokens
with their texts.
"""
