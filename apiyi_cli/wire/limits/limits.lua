-- The arithmetic of rates.py, done inside the Redis server so that every step is atomic, on the
-- server's clock so that those of the hosts do not matter. A differential test holds the two
-- together; what each step means is said there.
--
-- KEYS: the rates, the places in flight, the means, the limits in use, the outputs held. ARGV: the step, its limits, its arguments.
-- Numbers are returned as text: Redis would cut them to integers.

local RATES, PLACES, MEANS, LIMITS, HELD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local step = ARGV[1]
local window_s, burst_s, request_s, token_s = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local rpm, tpm = tonumber(ARGV[6]), tonumber(ARGV[7])
local cells_in_window, cell_count = tonumber(ARGV[8]), tonumber(ARGV[9])
local network_s, late_s = tonumber(ARGV[10]), tonumber(ARGV[11])
-- Nobody waits for longer for the tokens of one request.
local most_owed_s = window_s * (1 + 1 / cells_in_window)
local function argument(n) return tonumber(ARGV[11 + n]) end

local BOOT_SLACK_S, FARTHEST_S, LONGEST_PAUSE_S = 1, 7 * 86400, 600
local MEANS_LAST_S, LONGEST_MEMORY, HIGHEST_MEAN = 30 * 86400, 50, 1e7
local TOKENS_COUNT_S = 60

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6

local function text(number) return string.format('%.17g', number) end

-- A ring counts by cells, the parts of a window, of which the newest is kept by name.
local function ring() return { newest = 0, counts = {} } end

local function fresh()
  return { seen = 0, last = 0, requests = 0, tokens = 0, pause = 0, throttled = 0, started = 0,
           booked_tokens = ring(), started_tokens = ring(), started_requests = ring() }
end

local function loaded()
  local packed = redis.call('GET', RATES)
  if not packed then return fresh() end
  local row = cmsgpack.unpack(packed)
  local farthest = now + FARTHEST_S
  local is_sound = row.seen <= now + BOOT_SLACK_S and row.last <= farthest
    and row.requests <= farthest and row.tokens <= farthest and row.pause <= now + LONGEST_PAUSE_S + BOOT_SLACK_S
    and row.throttled <= now + BOOT_SLACK_S and row.started <= farthest
  return is_sound and row or fresh()
end

local function save(row)
  row.seen = now
  local ahead_s = math.max(row.last, row.requests, row.tokens, row.pause, row.started) - now
  local kept_s = math.ceil(2 * window_s + math.max(ahead_s, 0) + 60)
  redis.call('SET', RATES, cmsgpack.pack(row), 'EX', kept_s)
end

local function first_cell(of, moment, more_s)
  local first = math.floor((moment - window_s - more_s) * cells_in_window / window_s)
  return math.max(first, of.newest - cell_count + 1)
end

local function fitting(of, moment, amount, limit, more_s)
  local first, used = first_cell(of, moment, more_s), 0
  for cell = first, of.newest do used = used + (of.counts[cell] or 0) end
  for cell = first, of.newest do
    if used <= 0 or used + amount <= limit then break end
    local count = of.counts[cell] or 0
    if count ~= 0 then
      used = used - count
      moment = math.max(moment, (cell + 1) * window_s / cells_in_window + window_s + more_s)
    end
  end
  return moment
end

local function count(of, moment, amount)
  local cell = math.max(of.newest, math.floor(moment * cells_in_window / window_s))
  for old in pairs(of.counts) do
    if old <= cell - cell_count then of.counts[old] = nil end
  end
  of.newest = cell
  of.counts[cell] = (of.counts[cell] or 0) + amount
end

-- Where it was counted, `moment`, and what is not there from older cells.
local function give_back(of, moment, amount)
  local last = math.min(of.newest, math.floor(moment * cells_in_window / window_s))
  for cell = last, first_cell(of, now, 0), -1 do
    local there = of.counts[cell] or 0
    local less = math.min(there, amount)
    if less ~= 0 then of.counts[cell] = there - less end
    amount = amount - less
  end
end

-- A moment before the newest cell counts there, as long as the ring reaches back to it.
local function count_at(of, moment, amount)
  local cell = math.floor(moment * cells_in_window / window_s)
  if of.newest - cell_count < cell and cell < of.newest then
    of.counts[cell] = (of.counts[cell] or 0) + amount
  else
    count(of, moment, amount)
  end
end

local function owed(paid_until, start, tokens)
  paid_until = math.max(paid_until, start)
  return math.min(paid_until + tokens * token_s, math.max(paid_until, start + most_owed_s))
end

local function book(row, tokens)
  tokens = math.min(tokens, tpm)
  local tokens_s = tokens * token_s
  local start = math.max(now, row.pause, row.last, row.requests - burst_s)
  if tokens > 0 then
    local ahead_s = tokens_s <= burst_s and burst_s or 0
    start = math.max(start, row.tokens - ahead_s)
    start = fitting(row.booked_tokens, start, tokens, tpm, 0)
    row.tokens = owed(row.tokens, start, tokens)
    count(row.booked_tokens, start, tokens)
  end
  row.requests = math.max(row.requests, start) + request_s
  row.last = start
  return start
end

local function cause(row)
  if row.pause > now then return 'pause' end
  return row.tokens > row.requests - burst_s and 'tokens' or 'requests'
end

local function count_started(row, tokens)
  row.started = math.max(row.started, now) + request_s
  count(row.started_requests, now, 1)
  if tokens > 0 then count(row.started_tokens, now, tokens) end
end

-- Returns 0 for a request that is started, seconds to wait, or -1 for one to be booked again.
local function admit(row, start, tokens)
  if start > now then return start - now end
  if now < row.pause or now > start + late_s then return -1 end
  tokens = math.min(tokens, tpm)
  local fits = fitting(row.started_requests, now, 1, rpm, network_s)
  if tokens > 0 then
    fits = math.max(fits, fitting(row.started_tokens, now, tokens, tpm, 0))
  end
  if fits > now then return fits - now end
  count_started(row, tokens)
  return 0
end

local steps = {}

-- Tokens; returns what it waits for, the moment booked, what `admit` says of it, and what was found, for `cancel`.
function steps.book()
  local row = loaded()
  local why = cause(row)
  local found = { row.last, row.requests, row.tokens, row.booked_tokens.newest }
  local start = book(row, argument(1))
  local wait_s = admit(row, start, argument(1))
  save(row)
  return { why, text(start), text(wait_s), text(found[1]), text(found[2]), text(found[3]), text(found[4]) }
end

-- The moment booked, tokens, what `book` found.
function steps.cancel()
  local row = loaded()
  local start, tokens = argument(1), math.min(argument(2), tpm)
  local last, requests, paid, newest = argument(3), argument(4), argument(5), argument(6)
  local tokens_s, booked = tokens * token_s, row.booked_tokens
  local cell = math.floor(start * cells_in_window / window_s)
  if tokens > 0 and booked.newest - cell_count < cell and cell <= booked.newest then
    booked.counts[cell] = math.max(0, (booked.counts[cell] or 0) - tokens)
  end
  if row.last == start and row.requests == math.max(requests, start) + request_s then
    row.last, row.requests = last, requests
    if tokens > 0 then
      row.tokens = row.tokens + paid - owed(paid, start, tokens)
      booked.newest = newest
    end
  else
    row.requests = row.requests - request_s
    row.tokens = row.tokens - tokens_s
  end
  save(row)
end

-- The moment booked, tokens.
function steps.admit()
  local row = loaded()
  local wait_s = admit(row, argument(1), argument(2))
  save(row)
  return { ARGV[12], text(wait_s) }
end

-- Tokens estimated, tokens counted, seconds since the start.
function steps.settle()
  local row = loaded()
  local more = math.min(argument(2), tpm) - math.min(argument(1), tpm)
  row.tokens = math.min(row.tokens + more * token_s, math.max(row.tokens, now + most_owed_s))
  if more >= 0 then
    count_at(row.booked_tokens, now, more)
    count_at(row.started_tokens, now, more)
  else
    give_back(row.booked_tokens, now - argument(3), -more)
    give_back(row.started_tokens, now - argument(3), -more)
  end
  save(row)
end

-- Tokens; starts a request that is not one of many, or tells what it waits for and how long.
function steps.alone()
  local row = loaded()
  local tokens = math.min(argument(1), tpm)
  local fits = fitting(row.started_requests, now, 1, rpm, network_s)
  local wait_s, why = row.pause - now, 'pause'
  local requests_s = math.max(row.started - burst_s, fits) - now
  if requests_s > wait_s then wait_s, why = requests_s, 'requests' end
  if tokens > 0 and row.throttled > 0 and now - row.throttled < TOKENS_COUNT_S then
    local tokens_s = fitting(row.started_tokens, now, tokens, tpm, 0) - now
    if tokens_s > wait_s then wait_s, why = tokens_s, 'tokens' end
  end
  if wait_s <= 0 then
    wait_s = 0
    if tokens > 0 then
      row.tokens = owed(row.tokens, now, tokens)
      count_at(row.booked_tokens, now, tokens)
    end
    row.requests = math.max(row.requests, now) + request_s
    count_started(row, tokens)
  end
  save(row)
  return { why, text(wait_s) }
end

-- Tokens, seconds; a request that was started so long ago is sent now.
function steps.late()
  local row = loaded()
  local moment, tokens = now - argument(2), math.min(argument(1), tpm)
  for of, amount in pairs({ [row.started_requests] = 1, [row.started_tokens] = tokens }) do
    local cell = math.floor(moment * cells_in_window / window_s)
    if of.newest - cell_count < cell and cell <= of.newest then
      of.counts[cell] = math.max(0, (of.counts[cell] or 0) - amount)
    end
    count(of, now, amount)
  end
  save(row)
end

-- The gateway has answered 429 for tokens.
function steps.throttled()
  local row = loaded()
  row.throttled = now
  save(row)
end

-- Seconds.
function steps.pause()
  local row = loaded()
  row.pause = math.max(row.pause, now + argument(1))
  save(row)
end

-- A model; returns the mean, or nothing while none is known.
function steps.mean()
  local known = redis.call('HGET', MEANS, ARGV[12])
  return known and text(cmsgpack.unpack(known)[2])
end

-- A model, tokens; returns the mean.
function steps.learn()
  local known = redis.call('HGET', MEANS, ARGV[12])
  local one = known and cmsgpack.unpack(known) or { 0, 0 }
  one[1] = math.min(one[1] + 1, LONGEST_MEMORY)
  one[2] = one[2] + (math.max(0, math.min(argument(2), HIGHEST_MEAN)) - one[2]) / one[1]
  redis.call('HSET', MEANS, ARGV[12], cmsgpack.pack(one))
  redis.call('EXPIRE', MEANS, MEANS_LAST_S)
  return text(one[2])
end

-- How many places there are, seconds of a lease, the place wanted; returns 1 when it is given.
function steps.occupy()
  redis.call('ZREMRANGEBYSCORE', PLACES, '-inf', text(now))
  if redis.call('ZCARD', PLACES) >= argument(1) then return 0 end
  redis.call('ZADD', PLACES, text(now + argument(2)), ARGV[14])
  redis.call('EXPIRE', PLACES, math.ceil(2 * argument(2)))
  return 1
end

-- A place.
function steps.vacate()
  redis.call('ZREM', PLACES, ARGV[12])
end

local function note_limits(lease_s, limits)
  redis.call('ZREMRANGEBYSCORE', LIMITS, '-inf', text(now))
  redis.call('ZADD', LIMITS, text(now + lease_s), limits)
  redis.call('EXPIRE', LIMITS, math.ceil(2 * lease_s))
end

-- Seconds of a lease, the limits of this host; returns the other limits in use. It writes: a wrong
-- password and a replica are found as well.
function steps.join()
  note_limits(argument(1), ARGV[13])
  local others = {}
  for _, limits in ipairs(redis.call('ZRANGE', LIMITS, 0, -1)) do
    if limits ~= ARGV[13] then others[#others + 1] = limits end
  end
  return others
end

-- Seconds of a lease, the limits of this host, the places held. A lease that was over is renewed
-- too: its request is still on its way.
function steps.renew()
  note_limits(argument(1), ARGV[13])
  for n = 14, #ARGV do redis.call('ZADD', PLACES, text(now + argument(1)), ARGV[n]) end
  redis.call('EXPIRE', PLACES, math.ceil(2 * argument(1)))
end

-- Seconds of a lease, an output, who wants to hold it, who may be replaced; returns who else has it.
function steps.hold()
  local output, ours, gone = ARGV[13], ARGV[14], ARGV[15]
  for name, packed in pairs(redis.call('HGETALL', HELD)) do
    if name % 2 == 0 then
      local one = cmsgpack.unpack(packed)
      if one[1] < now then redis.call('HDEL', HELD, one[3]) end
    end
  end
  local known = redis.call('HGET', HELD, output)
  local holder = known and cmsgpack.unpack(known)[2]
  if holder and holder ~= ours and holder ~= gone then return holder end
  redis.call('HSET', HELD, output, cmsgpack.pack({ now + argument(1), ours, output }))
  redis.call('EXPIRE', HELD, math.ceil(2 * argument(1)))
end

-- An output, who holds it.
function steps.drop()
  local known = redis.call('HGET', HELD, ARGV[12])
  if known and cmsgpack.unpack(known)[2] == ARGV[13] then redis.call('HDEL', HELD, ARGV[12]) end
end

return steps[step]()
