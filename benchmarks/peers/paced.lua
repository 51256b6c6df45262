-- wrk: as post.lua, but each connection waits BENCH_THINK_MS before it asks again, exponentially
-- distributed: many such connections come when they come, whatever others are answered.
local file = io.open(os.getenv("BENCH_BODY"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Deadline-Ms"] = os.getenv("BENCH_DEADLINE_MS")
file:close()

local think = tonumber(os.getenv("BENCH_THINK_MS"))

function init()
   math.randomseed(7)
end

function delay()
   return math.floor(-think * math.log(1 - math.random()) + 0.5)
end

done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"answered": %d, "seconds": %.6f, "refused": %d, "lost": %d, "p50_ms": %.3f, '
         .. '"p99_ms": %.3f, "p999_ms": %.3f}\n',
      summary.requests, summary.duration / 1e6, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
