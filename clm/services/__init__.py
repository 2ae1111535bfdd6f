"""Use cases of the cloud: decide by rules, write with store, reach out through drivers."""
