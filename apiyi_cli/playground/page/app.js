// The page: its state, and what each button and key does.
import { html, render, t, setWords, useState, useEffect, useRef, useMemo, copyText, announce, isMac, CopyButton, usd } from './lib.js';
import * as api from './api.js';
import { Form } from './form.js';
import { Results } from './results.js';
import { Sidebar } from './sidebar.js';
import { Palette, Keys, Question, EntryDialog } from './dialogs.js';
import { isSet } from './fields.js';

const store = name => { try { return localStorage.getItem(`apiyi.${name}`); } catch { return null; } };
const keep = (name, value) => { try { localStorage.setItem(`apiyi.${name}`, value); } catch { /* private mode */ } };
const fresh = () => ({ prompt: '', stdin: '', method: '', options: {}, files: {}, compare: [] });

// The request that the server gets: what was touched, and nothing else.
function toRequest(command, state, profile, model) {
  const options = {};
  for (const [name, value] of Object.entries(state.options)) if (isSet(value) || value === false) options[name] = value;
  if (model !== undefined) options.model = model;
  if (options.model && command.sections.some(section => section.options.some(option => option.name === 'model' && option.many)) && !Array.isArray(options.model)) options.model = [options.model];
  if (Array.isArray(options.model) && !options.model[0]) delete options.model;
  const files = {};
  for (const [name, kept] of Object.entries(state.files)) if (kept.length) files[name] = kept.map(file => file.id);
  const request = { command: command.name, profile, prompt: state.prompt, options, files };
  if (command.stdin && state.stdin) request.stdin = state.stdin;
  if (command.subject === 'path') request.method = state.method || 'GET';
  return request;
}

// The requests that are sent together: one, or one for each model that is compared.
function toRequests(command, state, profile) {
  const others = command.shape === 'stream' ? state.compare.filter(Boolean) : [];
  if (!others.length) return [toRequest(command, state, profile)];
  const first = [].concat(state.options.model ?? '')[0] ?? '';
  return [first, ...others].map(model => toRequest(command, state, profile, model));
}

let counter = 0;
function newRun(command, model, request, prompt, act) {
  counter += 1;
  return { key: counter, command, model, request, prompt, act, texts: [], reasoning: '', lines: [], calls: [], files: [], raw: [], log: [], headers: [], sounds: [], executed: '', id: '' };
}

// Puts one event of the server into the run.
function take(run, name, data) {
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

function App() {
  const [lang, setLang] = useState(store('lang') ?? '');
  const [theme, setTheme] = useState(store('theme') ?? 'auto');
  const [profile, setProfile] = useState('');
  const [schema, setSchema] = useState(null);
  const [models, setModels] = useState([]);
  const [status, setStatus] = useState({});
  const [today, setToday] = useState(null);
  const [forms, setForms] = useState({});
  const [name, setName] = useState('');
  const [tab, setTab] = useState('Answer');
  const [view, setView] = useState('form');
  const [line, setLine] = useState({});
  const [shell, setShell] = useState(store('shell') ?? 'bash');
  const [problem, setProblem] = useState('');
  const [preview, setPreview] = useState({ notes: [] });
  const [code, setCode] = useState({ language: store('code') ?? 'python', text: '', notes: [] });
  const [history, setHistory] = useState([]);
  const [search, setSearch] = useState('');
  const [dialog, setDialog] = useState(null);
  const [lost, setLost] = useState('');
  const [, tick] = useState(0);
  const runs = useRef([]);
  const stops = useRef(null);
  const wants = useRef({ preview: false, code: false });
  const side = useRef({});
  const frame = useRef(0);

  const command = schema?.commands.find(row => row.name === name) ?? schema?.commands[0];
  const state = forms[name] ?? fresh();
  const busy = runs.current.some(run => !run.end);
  const draw = () => { if (!frame.current) frame.current = requestAnimationFrame(() => { frame.current = 0; tick(n => n + 1); }); };
  const set = change => setForms(all => ({ ...all, [name]: { ...(all[name] ?? fresh()), ...change } }));

  const fail = failure => {
    if (failure.name === 'AbortError') return;
    if (failure.status === 0 || failure.status === 401 || failure.status === 421) setLost(t('The playground has ended. Start it again in your terminal: apiyi playground'));
    else setProblem([failure.message, failure.hint].filter(Boolean).join(' — '));
  };
  const loadHistory = words => api.get('/api/history', { q: words ?? search }).then(found => setHistory(found.entries)).catch(fail);
  const loadToday = () => api.get('/api/today').then(found => setToday(found.usd)).catch(() => {});

  useEffect(() => {
    if (lang) api.setLanguage(lang);
    api.get('/api/schema', lang ? { lang, profile } : { profile, lang: '' }).then(found => {
      api.setLanguage(found.language);
      setWords(found.words);
      document.documentElement.lang = found.language === 'zh' ? 'zh-CN' : 'en';
      setSchema(found);
      setName(old => old || found.command);
      if (!profile) setProfile(found.profile);
      if (!lang) setLang(found.language);
    }).catch(fail);
  }, [lang, profile]);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    keep('theme', theme);
  }, [theme]);
  useEffect(() => {
    if (!profile) return;
    setStatus({});
    setModels([]);
    api.get('/api/status', { profile }).then(setStatus).catch(() => {});
    api.get('/api/models', { profile }).then(found => setModels(found.models)).catch(() => setModels([]));
    loadToday();
    loadHistory();
  }, [profile]);

  // The command line follows every change; the request itself is made when one pauses.
  const asked = command && JSON.stringify(toRequests(command, state, profile));
  useEffect(() => {
    if (!asked || !profile) return undefined;
    const quick = setTimeout(() => Promise.all(JSON.parse(asked).map(request => api.post('/api/line', { request }))).then(found => {
      const shells = Object.keys(found[0].line);
      setLine(Object.fromEntries(shells.map(word => [word, found.map(row => row.line[word]).join('\n')])));
      setProblem('');
    }).catch(fail), 120);
    const slow = setTimeout(refreshSide, 700);
    return () => { clearTimeout(quick); clearTimeout(slow); };
  }, [asked, lang]);

  // Asks for the request or the program; a newer question ends an older one.
  async function askSide(kind, request, more) {
    side.current[kind]?.abort();
    const stop = new AbortController();
    side.current[kind] = stop;
    const lines = [];
    const notes = [];
    let end = null;
    await api.run({ mode: kind, request: { ...request, ...more } }, stop.signal, (event, data) => {
      if (event === 'line') lines.push(data.text);
      if (event === 'log') notes.push(data.text);
      if (event === 'end') end = data;
    });
    return { lines, notes, end };
  }
  function refreshSide() {
    const now = live.current;
    if (now.busy || !now.command) return;
    const request = toRequest(now.command, now.state, now.profile);
    const ready = now.state.prompt.trim() || Object.values(now.state.files).some(kept => kept.length);
    if (ready || wants.current.preview) {
      askSide('dry-run', request).then(({ lines, notes, end }) => {
        if (!end) return;
        let shown = null;
        try { shown = JSON.parse(lines[0]); } catch { /* nothing was printed */ }
        setPreview({ request: shown, notes: end.exit ? [] : notes, error: end.exit ? end.error : null, estimate: end.estimate });
      }).catch(() => {});
    }
    if (wants.current.code) askCode(request, now.code.language);
  }
  function askCode(request, language) {
    askSide('code', request, { language }).then(({ lines, notes, end }) => {
      if (end) setCode({ language, text: end.exit ? '' : `${lines.join('\n')}\n`, notes: end.exit ? [] : notes, error: end.exit ? end.error : null });
    }).catch(fail);
  }

  function send() {
    const now = live.current;
    if (now.busy || !now.command) return;
    Object.values(side.current).forEach(stop => stop.abort());
    const requests = toRequests(now.command, now.state, now.profile);
    const stop = new AbortController();
    stops.current = stop;
    runs.current.forEach(run => run.sounds.forEach(sound => URL.revokeObjectURL(sound.url)));
    runs.current = requests.map(request => {
      const model = [].concat(request.options.model ?? '')[0];
      const run = newRun(now.command, model, request, now.state.prompt, act);
      run.sounds = (now.state.files[''] ?? []).filter(file => file.raw).map(file => ({ name: file.name, url: URL.createObjectURL(file.raw) }));
      return run;
    });
    setProblem('');
    setTab(requests.length > 1 ? 'Compare' : 'Answer');
    setView('results');
    announce(t('Sending'));
    draw();
    const going = runs.current;
    Promise.all(going.map(run => api.run({ mode: 'run', request: run.request }, stop.signal, (event, data) => { take(run, event, data); draw(); }).catch(failure => {
      const wasStopped = failure.name === 'AbortError';
      run.end ??= { exit: wasStopped ? null : failure.exit ?? 2, name: '', stopped: wasStopped, error: wasStopped ? {} : { message: failure.message, hint: failure.hint }, usage: {}, files: [], ms: 0, billing: wasStopped && run.status ? t('it may have been billed') : '' };
      if (!wasStopped) fail(failure);
    }).finally(() => { run.end ??= { exit: null, name: '', stopped: true, error: {}, usage: {}, files: [], ms: 0 }; draw(); }))).then(() => {
      announce(going.every(run => run.end.exit === 0) ? t('Done') : t('Ended with an error'));
      // The server writes the entry of a run that was stopped after the page has gone.
      setTimeout(() => { loadHistory(); loadToday(); }, stop.signal.aborted ? 900 : 0);
    });
  }

  const act = useMemo(() => ({
    set: change => live.current.set(change),
    setOption: (option, value) => live.current.set({ options: { ...live.current.state.options, [option]: value } }),
    setFiles: async (option, files, isFresh) => {
      const now = live.current;
      if (!isFresh) {
        const left = new Set(files.map(file => file.id));
        for (const file of now.state.files[option] ?? []) if (!left.has(file.id)) api.post('/api/upload/drop', { id: file.id }).catch(() => {});
        now.set({ files: { ...now.state.files, [option]: files } });
        return;
      }
      try {
        const kept = [];
        for (const file of files) kept.push(file.id ? file : { ...(await api.upload(file)), raw: file });
        live.current.set({ files: { ...live.current.state.files, [option]: kept } });
      } catch (failure) { fail(failure); }
    },
    send: () => live.current.send(),
    stop: () => stops.current?.abort(),
    dryRun: () => { setTab('Request'); setView('results'); wants.current.preview = true; live.current.refreshSide(); },
    wantPreview: on => { wants.current.preview = on; if (on) live.current.refreshSide(); },
    wantCode: on => { wants.current.code = on; if (on) live.current.askCode(); },
    setCodeLanguage: language => { keep('code', language); setCode(old => ({ ...old, language })); live.current.askCode(language); },
    choose: word => {
      const now = live.current;
      const from = now.state;
      setForms(all => (all[word] ? all : { ...all, [word]: { ...fresh(), prompt: ['prompt', 'texts', 'query'].includes(now.command.subject) && word !== 'api' && word !== 'models' ? from.prompt : '' } }));
      setName(word);
      setPreview({ notes: [] });
      setView('form');
    },
    searchHistory: words => { setSearch(words); live.current.loadHistory(words); },
    openEntry: id => api.get('/api/history/entry', { id }).then(found => found.entry && setDialog({ kind: 'entry', entry: found.entry })).catch(fail),
    exportEntry: (id, form) => api.post('/api/history/export', { id, form }),
    deleteEntry: id => api.post('/api/history/delete', { id }).then(() => live.current.loadHistory()).catch(fail),
    restore: entry => {
      const { request } = entry;
      setName(entry.command);
      setForms(all => ({ ...all, [entry.command]: { ...fresh(), prompt: request.prompt, stdin: request.stdin, method: request.method, options: request.options } }));
      if (live.current.schema.profiles.includes(request.profile)) setProfile(request.profile);
      const run = newRun(live.current.schema.commands.find(row => row.name === entry.command), entry.model, request, entry.prompt, act);
      Object.assign(run, { id: entry.id, kept: true, end: { ...entry, usage: entry.usage ?? {}, files: entry.files ?? [] }, status: entry.status, executed: entry.line.replace(/^apiyi /, 'apiyi '), log: entry.log.map(text => ['', text]) });
      if (run.command?.shape === 'stream') run.texts = [entry.text]; else run.lines = entry.text.split('\n');
      runs.current = [run];
      setTab('Answer');
      draw();
    },
    askAgain: entry => setDialog({ kind: 'question', text: t('Run it again?'), detail: entry.cost != null ? t('It cost {usd} the last time.', { usd: usd(entry.cost) }) : t('What it cost is not known.'), yes: t('Run again'), onYes: () => { act.restore(entry); setTimeout(() => live.current.send(), 0); } }),
    ask: () => setDialog({ kind: 'question', text: t('Clear the history?'), detail: t('All entries, pictures and sounds of it are deleted.'), yes: t('Clear'), onYes: () => act.deleteEntry('*') }),
    get methods() { return live.current.schema?.methods ?? []; },
  }), []);

  const live = useRef({});
  live.current = { command, state, profile, busy, set, send, code, schema, loadHistory, refreshSide, askCode: language => askCode(toRequest(command, state, profile), language ?? code.language) };

  useEffect(() => {
    const onKey = event => {
      const mod = isMac ? event.metaKey : event.ctrlKey;
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (mod && event.key === 'Enter') { event.preventDefault(); live.current.send(); }
      else if (mod && event.key.toLowerCase() === 'k') { event.preventDefault(); setDialog({ kind: 'palette' }); }
      else if (mod && event.shiftKey && event.key.toLowerCase() === 'c') { event.preventDefault(); copyText(live.current.line ?? ''); }
      else if (event.key === 'Escape' && !document.querySelector('dialog[open]') && live.current.busy) { event.preventDefault(); act.stop(); }
      else if (event.key === '?' && !typing && !mod) { event.preventDefault(); setDialog({ kind: 'keys' }); }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  live.current.line = line[shell];

  if (!schema || !command) return html`<main class="loading" role="status">${lost || 'apiyi playground'}</main>`;
  const items = () => [
    ...schema.commands.map(row => ({ kind: t('command'), name: row.name, note: row.help, run: () => act.choose(row.name) })),
    ...command.sections.flatMap(section => section.options.map(option => ({ kind: t('option'), name: option.long, note: option.help, run: () => showOption(option.name, section.name) }))),
    ...models.filter(row => !row.unfit.includes(command.name)).map(row => ({ kind: t('model'), name: row.id, run: () => act.setOption('model', row.id) })),
    ...history.slice(0, 40).map(entry => ({ kind: t('history'), name: entry.prompt || entry.command, note: entry.command, run: () => act.openEntry(entry.id) })),
  ];
  return html`
    <${Header} ...${{ schema, profile, setProfile, status, today, lang, theme }} setLang=${value => { keep('lang', value); setLang(value); }} setTheme=${setTheme} openKeys=${() => setDialog({ kind: 'keys' })} openPalette=${() => setDialog({ kind: 'palette' })} />
    ${lost && html`<p class="lost" role="alert">${lost}</p>`}
    <nav class="views" aria-label=${t('View')}>${[['commands', 'Commands'], ['form', 'Request'], ['results', 'Response']].map(([key, title]) => html`<button type="button" aria-pressed=${view === key ? 'true' : 'false'} onClick=${() => setView(key)}>${t(title)}</button>`)}</nav>
    <main class="screen" data-view=${view}>
      <${Sidebar} commands=${schema.commands} current=${command.name} history=${history} search=${search} act=${act} />
      <${Form} key=${command.name} command=${command} state=${state} models=${models} busy=${busy} estimate=${preview.estimate} problem=${problem || (preview.error && state.prompt ? preview.error.message : '')} act=${act} />
      <${Results} tab=${tab} setTab=${setTab} runs=${runs.current} command=${command} preview=${preview} code=${code} languages=${schema.languages} act=${act} state=${state} />
    </main>
    <footer class="line" aria-label=${t('Command line')}>
      <code tabindex="0" role="region" aria-label=${t('Command line')}><span class="sign" aria-hidden="true">$ </span>${line[shell] ?? ''}</code>
      <${CopyButton} text=${() => line[shell] ?? ''} />
      <label class="offscreen" for="shell">${t('Shell')}</label>
      <select id="shell" value=${shell} onChange=${event => { setShell(event.target.value); keep('shell', event.target.value); }}>${['bash', 'fish', 'powershell'].map(word => html`<option selected=${word === shell}>${word}</option>`)}</select>
    </footer>
    <div id="announcer" class="offscreen" aria-live="assertive"></div>
    ${dialog?.kind === 'palette' && html`<${Palette} items=${items()} onClose=${() => setDialog(null)} />`}
    ${dialog?.kind === 'keys' && html`<${Keys} onClose=${() => setDialog(null)} />`}
    ${dialog?.kind === 'question' && html`<${Question} ...${dialog} onClose=${() => setDialog(old => (old === dialog ? null : old))} />`}
    ${dialog?.kind === 'entry' && html`<${EntryDialog} entry=${dialog.entry} act=${act} onClose=${() => setDialog(old => (old === dialog ? null : old))} />`}`;
}

// Opens the section of an option and puts the cursor into its field.
function showOption(name, section) {
  setTimeout(() => {
    // While a dialog is open nothing behind it takes the focus.
    if (document.querySelector('dialog[open]')) return showOption(name, section);
    const field = document.querySelector(`[data-option="${name}"]`);
    field?.closest('details')?.setAttribute('open', '');
    field?.querySelector('input:not([tabindex="-1"]), textarea, select, button')?.focus();
    field?.scrollIntoView({ block: 'center' });
    if (!field) document.querySelector(`[data-section="${section}"]`)?.setAttribute('open', '');
    return undefined;
  }, 40);
}

function Header({ schema, profile, setProfile, status, today, lang, setLang, theme, setTheme, openKeys, openPalette }) {
  const next = { auto: 'light', light: 'dark', dark: 'auto' }[theme];
  const names = { auto: t('as the system'), light: t('light'), dark: t('dark') };
  return html`<header class="top">
    <h1 class="brand"><img src="/favicon.svg" alt="" width="20" height="20" />apiyi <span>playground</span></h1>
    <label for="profile">${t('profile')}</label>
    <select id="profile" value=${profile} onChange=${event => setProfile(event.target.value)}>${schema.profiles.map(word => html`<option selected=${word === profile}>${word}</option>`)}</select>
    <span class="fact host">${schema.is_sandbox ? t('offline sandbox') : schema.base_url}</span>
    ${!schema.is_sandbox && html`<span class="fact">${status.key ? t('key {tail}', { tail: status.key }) : 'key' in status ? html`<span class="warn">${t('no key: apiyi auth login')}</span>` : ''}</span>`}
    <span class="fact">${today != null ? (schema.max_cost != null ? t('today {usd} of {most}', { usd: usd(today), most: usd(schema.max_cost) }) : t('today {usd}', { usd: usd(today) })) : ''}</span>
    <span class="space"></span>
    <button type="button" class="quiet" onClick=${openPalette}><span aria-hidden="true">⌕</span><span class="offscreen">${t('Palette')}</span> <kbd>${isMac ? '⌘' : 'Ctrl'} K</kbd></button>
    <button type="button" class="quiet" lang=${lang === 'zh' ? 'en' : 'zh-CN'} onClick=${() => setLang(lang === 'zh' ? 'en' : 'zh')}>${lang === 'zh' ? 'English' : '中文'}</button>
    <button type="button" class="quiet" onClick=${() => setTheme(next)} aria-label=${t('Colours: {name}', { name: names[theme] })} title=${names[theme]}>${{ auto: '◐', light: '☀', dark: '☾' }[theme]}</button>
    <button type="button" class="quiet" onClick=${openKeys} aria-label=${t('Keys')}>?</button>
  </header>`;
}

render(html`<${App} />`, document.getElementById('app'));
