"""The cloud manager: people, groups, keys, permissions, news, and the federation of clusters. Not begun yet."""
