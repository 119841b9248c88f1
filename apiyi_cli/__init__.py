"""The command-line toolkit of the API易 gateway and of any OpenAI-compatible server."""

__version__ = "0.2.0"
