-- POST with a body of as many bytes as the argument says.
dofile(os.getenv("BENCH_LOAD") .. "/counted.lua")

function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/octet-stream"
  wrk.body = string.rep("x", tonumber(arguments[1]))
end
