"""The servers that are measured, in the order of the tables."""

from __future__ import annotations

from peers.servers.apache import ApacheStatic, ApacheStaticClosing, ApacheVirtualHosts
from peers.servers.base import Server
from peers.servers.caddy import CaddyMap, CaddyRoutes
from peers.servers.chp import ConfigurableHttpProxy
from peers.servers.haproxy import HAProxy
from peers.servers.lightship_apache import LightshipApache
from peers.servers.lightship_nginx import LightshipNginx
from peers.servers.nginx_static import NginxStatic, NginxStaticClosing

EVERY: tuple[type[Server], ...] = (
    LightshipNginx,
    LightshipApache,
    NginxStatic,
    NginxStaticClosing,
    HAProxy,
    CaddyMap,
    CaddyRoutes,
    ConfigurableHttpProxy,
    ApacheStatic,
    ApacheStaticClosing,
    ApacheVirtualHosts,
)
