// The page: its state, and what each button and key does.
import { html, render, t, setWords, useState, useEffect, useRef, useMemo, copyText, announce, isMac, CopyButton, usd } from './lib.js';
import * as api from './api.js';
import { Form } from './form.js';
import { Results } from './results.js';
import { Sidebar } from './sidebar.js';
import { Palette, Keys, Question, EntryDialog } from './dialogs.js';
import { Header } from './header.js';
import { fresh, toRequest, toRequests, newRun, toRun, take, endOf, readDrafts, keepDrafts } from './requests.js';

const store = name => { try { return localStorage.getItem(`apiyi.${name}`); } catch { return null; } };
const keep = (name, value) => { try { localStorage.setItem(`apiyi.${name}`, value); } catch { /* private mode */ } };
const drafts = readDrafts();

function App() {
  const [lang, setLang] = useState(store('lang') ?? '');
  const [theme, setTheme] = useState(store('theme') ?? 'auto');
  const [profile, setProfile] = useState(drafts.profile ?? '');
  const [schema, setSchema] = useState(null);
  const [models, setModels] = useState([]);
  const [status, setStatus] = useState({});
  const [today, setToday] = useState(null);
  const [forms, setForms] = useState(drafts.forms ?? {});
  const [name, setName] = useState('');
  const [tab, setTab] = useState('Answer');
  const [view, setView] = useState('form');
  const [line, setLine] = useState({});
  const [shell, setShell] = useState(store('shell') ?? 'bash');
  const [problem, setProblem] = useState('');
  const [preview, setPreview] = useState({ notes: [] });
  const [code, setCode] = useState({ language: store('code') ?? 'python', text: '', notes: [] });
  const [history, setHistory] = useState({ entries: [], more: false, total: 0 });
  const [search, setSearch] = useState('');
  const [dialog, setDialog] = useState(null);
  const [lost, setLost] = useState('');
  const [, tick] = useState(0);
  // By command: each keeps its last answer, and one can be used while another is waited for.
  const runs = useRef({});
  const wants = useRef({ preview: false, code: false });
  const side = useRef({});
  const frame = useRef(0);
  const asks = useRef({ turn: 0, again: 0 });

  const command = schema?.commands.find(row => row.name === name) ?? schema?.commands[0];
  const state = forms[name] ?? fresh();
  const own = runs.current[name] ?? [];
  const busy = own.some(run => !run.end);
  const going = () => Object.values(runs.current).flat().filter(run => !run.end);
  const draw = () => { if (!frame.current) frame.current = requestAnimationFrame(() => { frame.current = 0; tick(n => n + 1); }); };
  const change = (word, make) => setForms(all => ({ ...all, [word]: { ...(all[word] ?? fresh()), ...make(all[word] ?? fresh()) } }));
  const set = more => change(name, () => more);

  const fail = failure => {
    if (failure.name === 'AbortError') return;
    if (failure.status === 0 || failure.status === 401 || failure.status === 421) setLost(t('The playground has ended. Start it again in your terminal: apiyi playground'));
    else setProblem([failure.message, failure.hint].filter(Boolean).join(' — '));
  };
  // Asks again while runs go on that are not of this page: of another tab, or from before a reload.
  const loadHistory = (words = live.current.search) => {
    asks.current.turn += 1;
    const { turn } = asks.current;
    clearTimeout(asks.current.again);
    return api.get('/api/history', { q: words }).then(found => {
      if (turn !== asks.current.turn) return;
      setHistory(old => joinPages(found, old, words));
      if (found.running > going().length) asks.current.again = setTimeout(() => { live.current.loadHistory(); loadToday(); }, 1000);
    }).catch(fail);
  };
  const loadToday = () => api.get('/api/today').then(found => setToday(found.usd)).catch(() => {});

  useEffect(() => {
    if (lang) api.setLanguage(lang);
    api.get('/api/schema', lang ? { lang, profile } : { profile, lang: '' }).catch(failure => {
      if (failure.status !== 400 || profile !== drafts.profile) throw failure;
      return api.get('/api/schema', { lang });
    }).then(found => {
      if (drafts.server && drafts.server !== found.server) {
        // Another server: it has none of the uploads, and was started with a profile of its own.
        delete drafts.name;
        setForms(all => Object.fromEntries(Object.entries(all).map(([word, form]) => [word, { ...form, files: {} }])));
        if (found.profile !== found.start_profile) setProfile(found.start_profile);
      }
      drafts.server = found.server;
      api.setLanguage(found.language);
      setWords(found.words);
      document.documentElement.lang = found.language === 'zh' ? 'zh-CN' : 'en';
      setSchema(found);
      setName(old => old || drafts.name || found.command);
      if (!profile || !found.profiles.includes(profile)) setProfile(found.profile);
      if (!lang) setLang(found.language);
    }).catch(fail);
  }, [lang, profile]);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    keep('theme', theme);
  }, [theme]);
  useEffect(() => {
    if (!schema || !name) return undefined;
    const later = setTimeout(() => keepDrafts({ server: schema.server, name, profile, forms }), 200);
    return () => clearTimeout(later);
  }, [forms, name, profile, schema]);
  useEffect(() => { document.title = `${busy ? '● ' : ''}${name ? `${name} · ` : ''}apiyi playground`; }, [name, busy]);
  useEffect(() => {
    const onShow = () => { if (!document.hidden && live.current.profile) { live.current.loadHistory(); loadToday(); } };
    // A page that is left ends its runs, and they may have been paid.
    const onLeave = event => { if (going().length) event.preventDefault(); };
    document.addEventListener('visibilitychange', onShow);
    addEventListener('focus', onShow);
    addEventListener('beforeunload', onLeave);
    return () => { document.removeEventListener('visibilitychange', onShow); removeEventListener('focus', onShow); removeEventListener('beforeunload', onLeave); };
  }, []);
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
    // What was sent is known; what it may cost was said before.
    if (now.asked === side.current.sent && !wants.current.preview && !wants.current.code) return;
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
    launch(now.command, toRequests(now.command, now.state, now.profile), now.state.prompt, now.state.files[''] ?? []);
  }
  function launch(command, requests, prompt, recordings) {
    for (const kind of ['dry-run', 'code']) side.current[kind]?.abort();
    side.current.sent = JSON.stringify(requests);
    (runs.current[command.name] ?? []).forEach(run => run.sounds.forEach(sound => URL.revokeObjectURL(sound.url)));
    const started = requests.map(request => {
      const run = newRun(command, [].concat(request.options.model ?? '')[0], request, prompt, act);
      run.sounds = recordings.filter(file => file.raw).map(file => ({ name: file.name, url: URL.createObjectURL(file.raw) }));
      return run;
    });
    runs.current[command.name] = started;
    setProblem('');
    setTab(requests.length > 1 ? 'Compare' : 'Answer');
    setView('results');
    announce(t('Sending'));
    draw();
    Promise.all(started.map(follow)).then(() => {
      announce(started.every(run => run.end.exit === 0) ? t('Done') : t('Ended with an error'));
      // The server writes the entry of a run that was cut off after the page has gone.
      setTimeout(() => { live.current.loadHistory(); loadToday(); }, started.some(run => run.stop.signal.aborted) ? 900 : 0);
    });
  }
  // Runs one request to its end, which it always has.
  async function follow(run) {
    try {
      await api.run({ mode: 'run', request: run.request }, run.stop.signal, (event, data) => { take(run, event, data); draw(); });
    } catch (failure) {
      run.end ??= endOf(run, failure);
      if (failure.name !== 'AbortError') fail(failure);
    }
    run.end ??= endOf(run);
    draw();
  }
  // As Ctrl-C: the rest of the answer comes, with what the program says about its end.
  function stop(run) {
    if (!run.id) { run.stop.abort(); return; }
    run.stopping = true;
    draw();
    api.post('/api/stop', { id: run.id }).catch(() => run.stop.abort());
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
      const word = now.command.name;
      try {
        for (const file of files.filter(item => !item.id)) {
          const added = { ...(await api.upload(file)), raw: file };
          live.current.change(word, form => ({ files: { ...form.files, [option]: [...(form.files[option] ?? []), added] } }));
        }
      } catch (failure) { fail(failure); }
    },
    send: () => live.current.send(),
    stop: () => live.current.own.filter(run => !run.end && !run.stopping).forEach(stop),
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
    searchHistory: words => {
      setSearch(words);
      clearTimeout(asks.current.typing);
      asks.current.typing = setTimeout(() => live.current.loadHistory(words), 150);
    },
    moreHistory: () => {
      const { history: old, search: words } = live.current;
      if (!old.more || asks.current.more) return;
      asks.current.more = true;
      api.get('/api/history', { q: words, before: old.entries.at(-1).id }).then(found => setHistory(now => (now.entries.at(-1)?.id === old.entries.at(-1).id ? { ...now, ...found, entries: [...now.entries, ...found.entries] } : now))).catch(fail).finally(() => { asks.current.more = false; });
    },
    openEntry: id => api.get('/api/history/entry', { id }).then(found => found.entry && setDialog({ kind: 'entry', entry: found.entry })).catch(fail),
    exportEntry: (id, form) => api.post('/api/history/export', { id, form }),
    deleteEntry: id => api.post('/api/history/delete', { id }).then(() => {
      setHistory(old => ({ ...old, entries: id === '*' ? [] : old.entries.filter(entry => entry.id !== id) }));
      return live.current.loadHistory();
    }).catch(fail),
    resume: (task, owner) => {
      const video = live.current.schema.commands.find(row => row.name === 'video');
      setName('video');
      launch(video, [{ command: 'video', profile: owner, task, prompt: '', options: {}, files: {} }], task, []);
    },
    restore: entry => {
      const { request } = entry;
      setName(entry.command);
      setForms(all => ({ ...all, [entry.command]: { ...fresh(), prompt: request.prompt, stdin: request.stdin, method: request.method, options: request.options } }));
      if (live.current.schema.profiles.includes(request.profile)) setProfile(request.profile);
      const running = (runs.current[entry.command] ?? []).some(run => !run.end);
      if (!running) runs.current[entry.command] = [toRun(entry, live.current.schema.commands.find(row => row.name === entry.command), act)];
      setTab('Answer');
      setView('results');
      draw();
    },
    askAgain: entry => setDialog({ kind: 'question', text: t('Run it again?'), detail: entry.cost != null ? t('It cost {usd} the last time.', { usd: usd(entry.cost) }) : t('What it cost is not known.'), yes: t('Run again'), onYes: () => { act.restore(entry); setTimeout(() => live.current.send(), 0); } }),
    ask: () => setDialog({ kind: 'question', text: t('Clear the history?'), detail: t('All entries, pictures and sounds of it are deleted.'), yes: t('Clear'), onYes: () => act.deleteEntry('*') }),
    get methods() { return live.current.schema?.methods ?? []; },
  }), []);

  const live = useRef({});
  live.current = { asked, command, state, profile, busy, own, set, change, send, code, schema, history, search, loadHistory, refreshSide, askCode: language => askCode(toRequest(command, state, profile), language ?? code.language) };

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
    ...history.entries.slice(0, 40).map(entry => ({ kind: t('history'), name: entry.prompt || entry.command, note: entry.command, run: () => act.openEntry(entry.id) })),
  ];
  return html`
    <${Header} ...${{ schema, profile, setProfile, status, today, lang, theme }} setLang=${value => { keep('lang', value); setLang(value); }} setTheme=${setTheme} openKeys=${() => setDialog({ kind: 'keys' })} openPalette=${() => setDialog({ kind: 'palette' })} />
    ${lost && html`<p class="lost" role="alert">${lost}</p>`}
    <nav class="views" aria-label=${t('View')}>${[['commands', t('Commands')], ['form', t('Request')], ['results', t('Response')]].map(([key, title]) => html`<button type="button" aria-pressed=${view === key ? 'true' : 'false'} onClick=${() => setView(key)}>${title}</button>`)}</nav>
    <main class="screen" data-view=${view}>
      <${Sidebar} commands=${schema.commands} current=${command.name} running=${new Set(going().map(run => run.command.name))} history=${history} search=${search} isKept=${schema.history} act=${act} />
      <${Form} key=${command.name} command=${command} state=${state} models=${models} busy=${busy} estimate=${preview.estimate} problem=${problem || (preview.error && state.prompt ? preview.error.message : '')} act=${act} />
      <${Results} tab=${tab} setTab=${setTab} runs=${own} command=${command} preview=${preview} code=${code} languages=${schema.languages} act=${act} state=${state} />
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

// Puts a new first page before the older pages that are shown already.
function joinPages(found, old, words) {
  const last = found.entries.at(-1)?.id;
  const at = old.entries.findIndex(entry => entry.id === last);
  const isOlder = old.words === words && found.more && at >= 0 && at < old.entries.length - 1;
  return { ...found, words, entries: isOlder ? [...found.entries, ...old.entries.slice(at + 1)] : found.entries, more: isOlder ? old.more : found.more };
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

render(html`<${App} />`, document.getElementById('app'));
