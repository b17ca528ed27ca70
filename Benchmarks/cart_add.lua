-- wrk: durable cart commands from many users. Argument 1: how many users; 2: `keys` = each with an idempotency key of its own.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  users = tonumber(args[1]) or 1000
  count = number * 7919
  keyed = args[2] == "keys"
  run = os.time() .. "-" .. tostring({}):sub(8) .. "-"
  headers = { ["Content-Type"] = "application/json", ["Host"] = "shop.example" }
end

function request()
  count = count + 1
  local body = string.format(
    '{"userId":"bench-%d","item":{"productId":"OLJCESPC7Z","quantity":1}}', count % users)
  if keyed then headers["Idempotency-Key"] = run .. count end
  return wrk.format("POST", "/api/cart/add", headers, body)
end
