-- Managed by Ansible.

-- Decides against whose allowance a request to the registry counts. Many clients share an address: all users of a login node, and
-- all jobs of a compute node. None of them may use up what the others need. nginx cannot check a signature or a link's secret, so
-- the registry tells it which ones are valid. A valid one has an allowance of its own, which nobody else can use up, because
-- nobody else can send it. Everything else, forged or new, counts against its address.

local known = ngx.shared.lightship_known
local var = ngx.var
local LONGEST = 64

-- Only a digest, so that nginx's memory holds no secrets.
local function digest(text)
    return (string.gsub(ngx.sha1_bin(string.lower(text)), ".", function(byte)
        return string.format("%02x", string.byte(byte))
    end))
end

-- Returns the kind of allowance that a request claims, and the key under which it would be known. The kind is part of the key, so
-- that the secret of a link does not give an agent's allowance.
local function claimed()
    local secret = string.match(var.http_authorization or "", "^%a+ (%x+)$")
    if secret and #secret == LONGEST then
        return "job", "job " .. digest(secret)
    end
    local allowance = string.match(var.http_x_lightship_allowance or "", "^%x+$")
    if allowance and #allowance == LONGEST then
        return "agent", "agent " .. digest(allowance)
    end
    return nil
end

local allowance = {}

-- Runs before nginx checks the limits: each limit counts by its variable, and does not count while that is empty.
function allowance.choose()
    local kind, key = claimed()
    if key and known:get(key) then
        var["lightship_" .. kind] = key
    else
        var.lightship_stranger = var.remote_addr
        var.lightship_strangers = "all"
    end
end

local function remember(key, seconds)
    if seconds and seconds > 0 then
        known:set(key, true, seconds)
    else
        known:delete(key)
    end
end

-- Runs when the registry has answered: these headers are for this host alone.
function allowance.learn()
    local kind, key = claimed()
    local seconds = var.upstream_http_x_lightship_known
    -- If the registry says nothing, as in a failure, nothing changes, unless it refuses a secret that was once valid. An agent
    -- whose clock is wrong is refused too, and must not take the allowance from the cluster's other agents.
    if key and (seconds or kind == "job" and ngx.status == ngx.HTTP_FORBIDDEN) then
        remember(key, tonumber(seconds))
    end
    local expected, lasting = string.match(var.upstream_http_x_lightship_expect or "", "^(%x+) (%d+)$")
    if expected then
        remember("job " .. expected, tonumber(lasting))
    end
end

return allowance
