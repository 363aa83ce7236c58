-- Sends a name's requests to the loopback, and prints the whole histogram, so that those of several processes can be added.
function wrk.resolve(host, service)
    wrk.addrs = wrk.lookup("127.0.0.1", service)
end

function setup(thread)
    thread.addr = wrk.addrs[1]
end

function done(summary, latency, requests)
    local wrong = summary.errors
    print(string.format("TOTAL %d %d %d %d", summary.requests, summary.duration, wrong.status,
        wrong.connect + wrong.read + wrong.write + wrong.timeout))
    for index = 1, #latency do
        local value, count = latency(index)
        print(string.format("LATENCY %d %d", value, count))
    end
end
