"""A fake of the parts of Tesla's cloud that an owner of a streaming vehicle needs. See README.md."""
from .fake import FakeTesla

__all__ = ["FakeTesla"]
