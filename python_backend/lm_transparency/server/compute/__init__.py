"""The state that all connections of one process share: the session, the queue of work before it, and its health."""
