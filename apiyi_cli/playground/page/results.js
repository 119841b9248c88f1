// The right column: tabs over one run, or over several that are compared.
import { html, t, word, useState, useEffect, useRef, CopyButton, saveText, usd } from './lib.js';
import { Answer } from './answers.js';
import { Tree, toOption } from './tree.js';

const TABS = [word('Answer'), word('Request'), word('Raw'), word('Code'), word('Log'), word('Compare')];
const ENDINGS = { curl: 'sh', python: 'py', requests: 'py', node: 'mjs', java: 'java', csharp: 'cs', go: 'go', php: 'php', ruby: 'rb' };

export function Results({ tab, setTab, runs, command, preview, code, languages, act, state }) {
  const run = runs[0];
  const tabs = TABS.filter(name => name !== 'Compare' || runs.length > 1 || state.compare.length);
  const current = tabs.includes(tab) ? tab : 'Answer';
  // On a phone the tabs do not all fit.
  useEffect(() => { document.getElementById(`tab-${current}`)?.scrollIntoView({ block: 'nearest', inline: 'nearest' }); }, [current]);
  const move = event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(current) + step + tabs.length) % tabs.length];
    setTab(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return html`<section class="results" aria-label=${t('Response')}>
    <div class="tabs" role="tablist" aria-label=${t('Response')} onKeyDown=${move}>
      ${tabs.map(name => html`<button type="button" role="tab" id=${`tab-${name}`} aria-selected=${name === current ? 'true' : 'false'} aria-controls="panel"
        tabindex=${name === current ? 0 : -1} onClick=${() => setTab(name)}>${t(name)}</button>`)}
    </div>
    <div class="panel" role="tabpanel" id="panel" aria-labelledby=${`tab-${current}`} tabindex="0">
      ${current === 'Answer' && html`<${Answer} run=${run} command=${run?.command ?? command} />`}
      ${current === 'Request' && html`<${RequestView} preview=${preview} act=${act} state=${state} />`}
      ${current === 'Raw' && html`<${RawView} run=${run} />`}
      ${current === 'Code' && html`<${CodeView} code=${code} languages=${languages} act=${act} />`}
      ${current === 'Log' && html`<${LogView} run=${run} />`}
      ${current === 'Compare' && html`<${CompareView} runs=${runs} command=${command} />`}
    </div>
    ${current !== 'Compare' && html`<${Status} run=${run} />`}
  </section>`;
}

export function Status({ run }) {
  const end = run?.end;
  const status = run?.status;
  return html`<div class="status" role="status" data-run=${run?.key}>
    ${!run ? html`<span class="muted">${t('nothing sent yet')}</span>` : ''}
    ${run && !end ? html`<span class="busy">${run.stopping ? t('stopping') : t('running')}</span><${Clock} began=${run.began} />` : ''}
    ${end ? html`<span class=${`exit ${end.exit ? 'bad' : end.stopped ? 'bad' : 'good'}`}>${end.stopped ? t('stopped') : `exit ${end.exit} ${end.name}`}</span>` : ''}
    ${status ? html`<span>${status}</span>` : ''}
    ${(end?.first_ms ?? run?.first) != null ? html`<span>${t('{n} ms first', { n: end?.first_ms ?? run.first })}</span>` : ''}
    ${end?.rate ? html`<span>${t('{n} tok/s', { n: end.rate })}</span>` : ''}
    ${end?.usage?.total != null ? html`<span>${t('{n} tokens', { n: end.usage.total })}</span>` : ''}
    ${end ? html`<span>${(end.ms / 1000).toFixed(2)} s</span>` : ''}
    ${end && end.cost != null ? html`<span>${usd(end.cost)}</span>` : ''}
  </div>`;
}

// The seconds of a run that goes on; they are not read aloud.
function Clock({ began }) {
  const [, tick] = useState(0);
  useEffect(() => { const timer = setInterval(() => tick(n => n + 1), 1000); return () => clearInterval(timer); }, []);
  const seconds = Math.floor((Date.now() - began) / 1000);
  return seconds > 0 ? html`<span aria-hidden="true">${seconds} s</span>` : '';
}

function RequestView({ preview, act, state }) {
  useEffect(() => { act.wantPreview(true); return () => act.wantPreview(false); }, []);
  if (preview.error) return html`<div class="outcome" role="alert"><p>${preview.error.message}</p>${preview.error.hint && html`<p>${t('try:')} <code>${preview.error.hint}</code></p>`}</div>`;
  const shown = preview.request;
  if (!shown) return html`<p class="waiting">${t('The request appears here without being sent.')}</p>`;
  const editable = shown.body && !Array.isArray(shown.body) && typeof shown.body === 'object';
  const edit = (path, value) => {
    const [key, option] = toOption(shown.body, path, value);
    const others = (state.options.option ?? []).filter(item => !item.startsWith(`${key}=`));
    act.setOption('option', [...others, option]);
  };
  return html`<div class="request"><p class="target"><strong>${shown.method}</strong> <span>${shown.url}</span></p>
    <dl class="headers">${Object.entries(shown.headers).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${shown.body != null && html`<div class="body-head"><h2>${t('Body')}</h2><${CopyButton} text=${JSON.stringify(shown.body, null, 2)} /></div>
      ${editable && html`<p class="muted">${t('Click a value to change it: it becomes an -O option.')}</p>`}
      <${Tree} value=${shown.body} onEdit=${editable ? edit : undefined} />`}
    ${preview.notes.map(note => html`<p class="note">${note}</p>`)}</div>`;
}

function RawView({ run }) {
  if (!run) return html`<p class="waiting">${t('The events of the answer appear here with their times.')}</p>`;
  const fixture = () => JSON.stringify({ status: run.status ?? null, headers: Object.fromEntries(run.headers), events: run.raw.map(([ms, text]) => ({ ms, data: text })) }, null, 1);
  const rows = run.raw.slice(0, 2000);
  return html`<div class="raw"><div class="body-head"><h2>${run.status ?? ''} ${run.reason ?? ''}</h2><${CopyButton} text=${fixture} label=${t('Copy as fixture')} /></div>
    <dl class="headers">${run.headers.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <ol class="events">${rows.map(([ms, text]) => html`<li><span class="ms">${ms} ms</span><code>${text.length > 4000 ? `${text.slice(0, 4000)}… (${text.length})` : text}</code></li>`)}</ol>
    ${run.raw.length > rows.length && html`<p class="muted">… ${run.raw.length - rows.length}</p>`}</div>`;
}

function CodeView({ code, languages, act }) {
  useEffect(() => { act.wantCode(true); return () => act.wantCode(false); }, []);
  return html`<div class="code-view"><div class="body-head">
      <div><label for="language" class="offscreen">${t('Language')}</label><select id="language" value=${code.language} onChange=${event => act.setCodeLanguage(event.target.value)}>
        ${languages.map(name => html`<option value=${name} selected=${name === code.language}>${name}</option>`)}</select></div>
      <div class="button-row"><${CopyButton} text=${code.text} /><button type="button" class="quiet" onClick=${() => saveText(`request.${ENDINGS[code.language] ?? 'txt'}`, code.text)}>${t('Download')}</button></div></div>
    ${code.error ? html`<div class="outcome" role="alert"><p>${code.error.message}</p>${code.error.hint && html`<p>${t('try:')} <code>${code.error.hint}</code></p>`}</div>` : html`<pre class="program" tabindex="0" role="region" aria-label=${t('Program')}><code>${code.text}</code></pre>`}
    ${code.notes.map(note => html`<p class="note">${note}</p>`)}</div>`;
}

function LogView({ run }) {
  if (!run) return html`<p class="waiting">${t('What the program says beside the answer appears here.')}</p>`;
  return html`<div class="log"><p class="muted">${t('What was run, with what the page adds to read the output:')}</p><pre class="plain" tabindex="0">$ ${run.executed}</pre>
    <ol class="events">${run.log.map(([ms, text]) => html`<li><span class="ms">${ms} ms</span><code>${text}</code></li>`)}</ol>
    ${run.end?.error?.message && html`<p class="problem">${run.end.error.message}</p>`}</div>`;
}

function CompareView({ runs, command }) {
  const [against, setAgainst] = useState(1);
  const texts = runs.map(run => run.texts.join('\n\n'));
  const answered = texts.map((text, at) => at).filter(at => texts[at]);
  if (runs.length < 2) return html`<p class="waiting">${t('Choose several models and send: their answers stand here side by side.')}</p>`;
  const other = answered.includes(against) && against !== answered[0] ? against : answered[1];
  return html`<div class="compare"><div class="columns" data-count=${runs.length}>${runs.map(run => html`<article class="column" aria-label=${run.model}><h2>${run.model || t('the profile’s model')}</h2><${Answer} run=${run} command=${command} /><${Status} run=${run} /></article>`)}</div>
    ${runs.every(run => run.end) && answered.length > 1 && html`<section class="difference"><div class="body-head"><h2>${t('Difference')}</h2>
      ${answered.length > 2 && html`<div><label for="against" class="offscreen">${t('Compare with')}</label><select id="against" value=${other} onChange=${event => setAgainst(Number(event.target.value))}>${answered.slice(1).map(at => html`<option value=${at} selected=${at === other}>${runs[at].model}</option>`)}</select></div>`}</div>
      <div class="plain">${difference(texts[answered[0]], texts[other]).map(([kind, text]) => kind === '=' ? text : kind === '-' ? html`<del>${text}</del>` : html`<ins>${text}</ins>`)}</div></section>`}
  </div>`;
}

// Returns what two texts share and what each has alone, word by word.
export function difference(one, other) {
  const a = one.split(/(\s+)/).slice(0, 1500);
  const b = other.split(/(\s+)/).slice(0, 1500);
  const rows = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) rows[i][j] = a[i] === b[j] ? rows[i + 1][j + 1] + 1 : Math.max(rows[i + 1][j], rows[i][j + 1]);
  }
  const parts = [];
  const add = (kind, word) => { if (parts.at(-1)?.[0] === kind) parts.at(-1)[1] += word; else parts.push([kind, word]); };
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { add('=', a[i]); i += 1; j += 1; }
    else if (j >= b.length || (i < a.length && rows[i + 1][j] >= rows[i][j + 1])) { add('-', a[i]); i += 1; }
    else { add('+', b[j]); j += 1; }
  }
  return parts;
}
