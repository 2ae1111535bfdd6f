"""SQLAlchemy mappings of a cloud's database: columns and relations, no behaviour. One module for each noun."""

from __future__ import annotations

from clm.models.base import Base
from clm.models.cluster import Cluster, ClusterAccount, ClusterAdmin, DroppedGroup
from clm.models.group import Group, Membership
from clm.models.key import SSHKey
from clm.models.launch_template import LaunchTemplate, LaunchTemplateVersion
from clm.models.message import Mail, Message, News
from clm.models.record import Audit, Change, Login, Request
from clm.models.user import ApiKey, OIDCLogin, OneTimeToken, User, UserSession

__all__ = [
    "ApiKey",
    "Audit",
    "Base",
    "Change",
    "Cluster",
    "ClusterAccount",
    "ClusterAdmin",
    "DroppedGroup",
    "Group",
    "LaunchTemplate",
    "LaunchTemplateVersion",
    "Login",
    "Mail",
    "Membership",
    "Message",
    "News",
    "OIDCLogin",
    "OneTimeToken",
    "Request",
    "SSHKey",
    "User",
    "UserSession",
]
