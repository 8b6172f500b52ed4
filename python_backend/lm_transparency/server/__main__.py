"""`python -m lm_transparency.server`: the server, without the command line around it."""

from .stdio import serve

if __name__ == "__main__":
    serve()
