"""The outside: mail, OpenID Connect providers, clusters over the wire."""
