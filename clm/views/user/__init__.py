"""Views for people, about what is theirs."""
