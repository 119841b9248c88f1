// Talks to the server of this page, and to nothing else.
const OWN = { 'X-Apiyi-Playground': '1' };
let lang = 'en';
export function setLanguage(value) { lang = value; }

export class ApiError extends Error {
  constructor(message, hint, status, exit) {
    super(message);
    this.hint = hint;
    this.status = status;
    this.exit = exit;
  }
}

async function read(response) {
  if (response.ok) return response.json();
  let error = {};
  try { error = (await response.json()).error ?? {}; } catch { /* a page in place of JSON */ }
  throw new ApiError(error.message ?? `HTTP ${response.status}`, error.hint, response.status, error.exit_code);
}

async function send(path, init) {
  try {
    return await fetch(path, { credentials: 'same-origin', ...init });
  } catch (failure) {
    if (failure.name === 'AbortError') throw failure;
    throw new ApiError('', '', 0);
  }
}

export async function get(path, params = {}) {
  return read(await send(`${path}?${new URLSearchParams({ lang, ...params })}`));
}

export async function post(path, value, signal) {
  return read(await send(path, {
    method: 'POST', signal,
    headers: { ...OWN, 'Content-Type': 'application/json' },
    body: JSON.stringify({ lang, ...value }),
  }));
}

export async function upload(file) {
  return read(await send(`/api/upload?lang=${lang}`, {
    method: 'POST',
    headers: { ...OWN, 'Content-Type': 'application/octet-stream', 'X-Apiyi-Name': encodeURIComponent(file.name) },
    body: file,
  }));
}

// Runs a request; calls `take(name, data)` for each event until the run has ended.
export async function run(value, signal, take) {
  const response = await send('/api/run', {
    method: 'POST', signal,
    headers: { ...OWN, 'Content-Type': 'application/json' },
    body: JSON.stringify({ lang, ...value }),
  });
  if (!response.ok) await read(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = '';
  for (;;) {
    const { done, value: piece } = await reader.read();
    if (done) return;
    const blocks = (waiting + piece).split('\n\n');
    waiting = blocks.pop();
    for (const block of blocks) {
      const [head, ...rest] = block.split('\n');
      if (head.startsWith('event: ')) take(head.slice(7), JSON.parse(rest.join('\n').slice(6)));
    }
  }
}
