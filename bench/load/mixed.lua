-- Symfony's routes in turn: JSON, a page, data that is sent.
dofile(os.getenv("BENCH_LOAD") .. "/counted.lua")

local json = { ["Content-Type"] = "application/json" }
local turn = 0

function request()
  turn = turn + 1
  local page = turn % 50
  if turn % 3 == 0 then
    return wrk.format("GET", "/articles")
  elseif turn % 3 == 1 then
    return wrk.format("GET", "/api/articles?page=" .. page)
  end
  return wrk.format("POST", "/api/articles", json, '{"1":' .. page .. ',"2":5}')
end
