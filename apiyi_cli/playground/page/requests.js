// Requests that the server gets, and the runs that its events fill.
import { t } from './lib.js';
import { isSet } from './fields.js';

export const fresh = () => ({ prompt: '', stdin: '', method: '', options: {}, files: {}, compare: [] });

// The request that the server gets: what was touched, and nothing else.
export function toRequest(command, state, profile, model) {
  const options = {};
  const known = new Set(command.sections.flatMap(section => section.options.map(option => option.name)));
  for (const [name, value] of Object.entries(state.options)) if (known.has(name) && (isSet(value) || value === false)) options[name] = value;
  if (model) options.model = model;
  if (model === '') delete options.model;
  if (options.model && command.sections.some(section => section.options.some(option => option.name === 'model' && option.many)) && !Array.isArray(options.model)) options.model = [options.model];
  if (Array.isArray(options.model) && !options.model[0]) delete options.model;
  const files = {};
  for (const [name, kept] of Object.entries(state.files)) if (kept.length) files[name] = kept.map(file => file.id);
  const request = { command: command.name, profile, prompt: command.subject === 'recordings' ? '' : state.prompt, options, files };
  if (command.stdin && state.stdin) request.stdin = state.stdin;
  if (command.subject === 'path') request.method = state.method || 'GET';
  return request;
}

// The requests that are sent together: one, or one for each model that is compared.
export function toRequests(command, state, profile) {
  const others = command.shape === 'stream' ? state.compare.filter(Boolean) : [];
  if (!others.length) return [toRequest(command, state, profile)];
  const first = [].concat(state.options.model ?? '')[0] ?? '';
  return [first, ...others].map(model => toRequest(command, state, profile, model));
}

let counter = 0;
export function newRun(command, model, request, prompt, act) {
  counter += 1;
  return { key: counter, command, model, request, prompt, act, texts: [], reasoning: '', lines: [], calls: [], files: [], raw: [], log: [], headers: [], sounds: [], executed: '', id: '', began: Date.now(), stop: new AbortController() };
}

// The run of an entry of the history, as it was at its end.
export function toRun(entry, command, act) {
  const run = newRun(command, entry.model, entry.request, entry.prompt, act);
  Object.assign(run, { id: entry.id, kept: true, end: { ...entry, usage: entry.usage ?? {}, files: entry.files ?? [] }, status: entry.status, executed: entry.line, log: entry.log.map(text => ['', text]) });
  if (command?.shape === 'stream') run.texts = [entry.text]; else run.lines = entry.text.split('\n');
  return run;
}

// How a run ended that the server said nothing about.
export function endOf(run, failure) {
  const wasStopped = !failure || failure.name === 'AbortError';
  return { exit: wasStopped ? null : failure.exit ?? 2, name: '', stopped: wasStopped, error: wasStopped ? {} : { message: failure.message, hint: failure.hint }, usage: {}, files: [], ms: Date.now() - run.began, billing: wasStopped && run.status ? t('it may have been billed') : '' };
}

// What one has typed, for this tab: it is there again after the page was loaded anew.
export function readDrafts() {
  try { return JSON.parse(sessionStorage.getItem('apiyi.drafts')) ?? {}; } catch { return {}; }
}

export function keepDrafts(drafts) {
  const text = JSON.stringify(drafts, (name, value) => (name === 'raw' ? undefined : value));
  try { sessionStorage.setItem('apiyi.drafts', text); } catch { /* too much, or private mode */ }
}

// Puts one event of the server into the run.
export function take(run, name, data) {
  if (name === 'begin') { run.id = data.id; run.executed = data.executed; }
  else if (name === 'line') { run.raw.push([data.ms, data.text]); if (run.command.shape !== 'stream') run.lines.push(data.text); }
  else if (name === 'piece') {
    run.first ??= data.ms;
    if (data.kind === 'reasoning') run.reasoning += data.text;
    else run.texts[data.index] = (run.texts[data.index] ?? '') + data.text;
  } else if (name === 'restart') { run.texts = []; run.restarted = true; }
  else if (name === 'call') run.calls.push(data);
  else if (name === 'file') run.files.push(data.name);
  else if (name === 'status') { run.status = data.status; run.reason = data.reason; run.headers = []; }
  else if (name === 'log') {
    const header = /^< ([\w-]+): (.*)$/.exec(data.text);
    if (header) run.headers.push([header[1], header[2]]);
    run.log.push([data.ms, data.text]);
  } else if (name === 'end') run.end = data;
}
