-- wrk: posts the file of the environment variable BENCH_BODY, and ends with one line of JSON.
local file = io.open(os.getenv("BENCH_BODY"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = os.getenv("BENCH_ACCEPT")
file:close()

done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "refused": %d, "seconds": %.6f, "errors": %d, "p50_ms": %.3f, '
         .. '"p99_ms": %.3f}\n',
      summary.requests, errors.status, summary.duration / 1e6,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
