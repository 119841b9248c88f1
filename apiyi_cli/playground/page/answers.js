// The Answer tab: each kind of answer in its own form.
import { html, t, useState, useMemo, CopyButton } from './lib.js';
import { Markdown } from './markdown.js';
import { Tree } from './tree.js';
import { Transcript } from './transcript.js';

export function Answer({ run, command }) {
  if (!run) return html`<${Empty} />`;
  const text = run.texts.join('\n\n');
  const shown = (text || run.calls.length || run.files.length || run.lines.length || run.reasoning);
  return html`<div class="answer">
    ${run.reasoning && html`<details class="reasoning"><summary>${t('Reasoning')}</summary><div class="plain">${run.reasoning}</div></details>`}
    ${run.restarted && html`<p class="note">${t('The gateway began its answer anew.')}</p>`}
    ${command.shape === 'stream' ? html`<${Markdown} key=${run.key} text=${text} busy=${!run.end} label=${t('Answer')} />`
      : html`<div role="region" aria-live="polite" aria-busy=${run.end ? 'false' : 'true'} aria-label=${t('Answer')}><${Shape} run=${run} command=${command} /></div>`}
    ${run.calls.map(call => html`<${ToolCall} call=${call} />`)}
    <${Files} run=${run} />
    ${!shown && !run.end && html`<p class="waiting">${command.name === 'video' ? t('The video is being made, which takes minutes. Stop leaves it to the gateway: the history resumes it.')
      : html`${t('Waiting for the first byte')}<span aria-hidden="true">…</span>`}</p>`}
    ${run.end && html`<${Outcome} run=${run} />`}
    ${run.end?.history_error && html`<p class="note warn">${t('The history does not have it: {why}', { why: run.end.history_error })}</p>`}
    ${text && run.end && html`<div class="below"><${CopyButton} text=${text} label=${t('Copy the answer')} /></div>`}
  </div>`;
}

function Empty() {
  return html`<div class="empty"><p>${t('What the model answers appears here, as it comes.')}</p><p class="muted">${t('Press ? for the keys.')}</p></div>`;
}

function ToolCall({ call }) {
  let value = call.arguments;
  try { value = JSON.parse(call.arguments); } catch { /* shown as it came */ }
  return html`<div class="call"><span class="tag">${t('function call')}</span> <strong>${call.name}</strong><${Tree} value=${value} /></div>`;
}

function Outcome({ run }) {
  const { end } = run;
  if (!end.exit && !end.stopped) return '';
  const noKey = end.exit === 4;
  return html`<div class=${`outcome exit-${end.exit}`} role="alert">
    <p><strong>${end.stopped ? t('Stopped') : t('Exit {code}: {name}', { code: end.exit, name: end.name })}</strong> ${end.error.message ?? ''}</p>
    ${end.billing && !end.task && html`<p class="warn">⚠ ${end.billing}</p>`}
    ${end.task && run.act && html`<p><button type="button" onClick=${() => run.act.resume(end.task, run.request.profile)}>${t('Resume the video')}</button></p>`}
    ${end.when && !end.error.message ? html`<p class="muted">${end.when}</p>` : ''}
    ${end.again && end.exit ? html`<p class="muted">${t('Run it again?')} ${end.again}</p>` : ''}
    ${noKey && html`<p>${t('Keys are never typed into this page. In a terminal:')} <code>apiyi auth login</code> <${CopyButton} text="apiyi auth login" /></p>`}
    ${end.error.hint && !(noKey && end.error.hint === 'apiyi auth login') && html`<${Hint} hint=${end.error.hint} run=${run} />`}
  </div>`;
}

// The one option that a hint names: with a value to use it, without one to leave out what was set.
function findOption(hint, run) {
  const found = [...hint.matchAll(/(--[a-z][a-z-]+)(?:[ =]([a-z0-9.]+)(?=[\s;,；，]|$))?/g)];
  if (!run.act || found.length !== 1) return null;
  const option = run.command.sections.flatMap(section => section.options).find(row => row.long === found[0][1]);
  if (!option || option.many || option.file) return null;
  const [, , value] = found[0];
  if (option.kind === 'bool') return null;
  if (value !== undefined && (option.kind === 'str' || !Number.isNaN(Number(value)))) return { ...option, value };
  return option.name in run.request.options ? { ...option, value: undefined } : null;
}

function Hint({ hint, run }) {
  const option = findOption(hint, run);
  const model = /^-m (\S+)$|^apiyi models show '?([^\s']+)'?$/.exec(hint.split(';')[0]);
  const name = model?.[1] ?? model?.[2];
  const isLine = hint.startsWith('apiyi ') || hint.startsWith('-');
  return html`<p>${t('try:')} ${isLine ? html`<code>${hint}</code>` : hint} ${option ? html`<button type="button" onClick=${() => run.act.setOption(option.name, option.value)}>${option.value === undefined ? t('Clear {name}', { name: option.long }) : t('Use {name}', { name: `${option.long} ${option.value}` })}</button>`
    : name && run.act ? html`<button type="button" onClick=${() => run.act.setOption('model', name)}>${t('Use {name}', { name })}</button>`
    : isLine && html`<${CopyButton} text=${hint} />`}</p>`;
}

export function Files({ run }) {
  const names = run.end ? run.end.files : run.files;
  const place = run.kept ? 'kept' : 'made';
  return names.map(name => {
    const url = `/${place}/${run.id}/${encodeURIComponent(name)}`;
    const kind = name.split('.').pop().toLowerCase();
    const known = run.end || run.kept;
    if (!known) return '';
    return html`<${MadeFile} key=${url} ...${{ url, name, kind }} prompt=${run.prompt} />`;
  });
}

function MadeFile({ url, name, kind, prompt }) {
  const [fails, setFails] = useState(false);
  const shown = { onError: () => setFails(true), src: url };
  return html`<figure class="made">
      ${fails ? html`<p class="note">${t('This browser cannot show the file.')}</p>`
        : ['png', 'jpg', 'jpeg', 'webp', 'gif', 'avif'].includes(kind) ? html`<img ...${shown} alt=${prompt ? t('Picture: {prompt}', { prompt: prompt.slice(0, 120) }) : name} />`
        : ['mp3', 'wav', 'opus', 'aac', 'flac', 'm4a', 'ogg'].includes(kind) ? html`<audio controls ...${shown} aria-label=${name}></audio>`
        : ['mp4', 'webm', 'mov'].includes(kind) ? html`<video controls ...${shown} aria-label=${name}></video>` : ''}
      <figcaption><a href=${url} download=${name}>${name}</a></figcaption></figure>`;
}

function Shape({ run, command }) {
  const values = useMemo(() => run.lines.map(line => { try { return JSON.parse(line); } catch { return null; } }), [run.lines.length, run.end]);
  if (command.shape === 'files') return '';
  if (command.shape === 'vectors') return html`<${Vectors} rows=${values.filter(row => row && Array.isArray(row.embedding))} />`;
  if (command.shape === 'scores') return html`<${Scores} rows=${values.filter(row => row && typeof row.score === 'number')} />`;
  const text = run.lines.join('\n');
  if (command.shape === 'text') return html`<${Transcript} run=${run} />`;
  let whole;
  try { whole = JSON.parse(text); } catch { return html`<pre class="plain" tabindex="0">${text}</pre>`; }
  if (command.name === 'models' && Array.isArray(whole?.data)) {
    return html`<ol class="model-list">${whole.data.slice(0, 1000).map(row => html`<li>${String(row.id)}</li>`)}</ol>`;
  }
  return html`<${Tree} value=${whole} />`;
}

function Vectors({ rows }) {
  const norms = rows.map(row => Math.hypot(...row.embedding));
  const cosine = (one, other) => rows[one].embedding.reduce((sum, x, at) => sum + x * rows[other].embedding[at], 0) / (norms[one] * norms[other] || 1);
  return html`<div class="vectors">${rows.slice(0, 50).map((row, at) => html`<div class="vector">
      <p><strong>${row.text ?? `#${row.index}`}</strong></p>
      <${Spark} values=${row.embedding} />
      <p class="muted">${t('{n} numbers', { n: row.embedding.length })} · |v| ${norms[at].toFixed(3)} · ${row.embedding.slice(0, 4).map(x => x.toFixed(4)).join(', ')} …</p></div>`)}
    ${rows.length > 1 && rows.length <= 8 && html`<div class="table-frame" tabindex="0" role="region" aria-label=${t('Similarity')}><table><caption>${t('Similarity')}</caption>
      <thead><tr><td></td>${rows.map((row, at) => html`<th scope="col">${at + 1}</th>`)}</tr></thead>
      <tbody>${rows.map((row, one) => html`<tr><th scope="row">${one + 1} ${(row.text ?? '').slice(0, 24)}</th>${rows.map((_, other) => html`<td>${cosine(one, other).toFixed(3)}</td>`)}</tr>`)}</tbody></table></div>`}
  </div>`;
}

function Spark({ values }) {
  const bars = 96;
  const size = Math.ceil(values.length / bars);
  const heights = Array.from({ length: Math.ceil(values.length / size) }, (_, at) => values.slice(at * size, (at + 1) * size).reduce((sum, x) => sum + x, 0) / size);
  const most = Math.max(...heights.map(Math.abs), 1e-9);
  return html`<svg class="spark" viewBox=${`0 0 ${heights.length * 4} 40`} preserveAspectRatio="none" aria-hidden="true">
    ${heights.map((x, at) => html`<rect x=${at * 4} width="3" y=${x > 0 ? 20 - (x / most) * 20 : 20} height=${Math.max(0.5, Math.abs(x / most) * 20)} />`)}</svg>`;
}

function Scores({ rows }) {
  const most = Math.max(...rows.map(row => row.score), 1e-9);
  return html`<ol class="scores">${rows.map(row => html`<li><meter min="0" max=${most} value=${Math.max(0, row.score)} aria-label=${t('Score')}></meter>
    <span class="score">${row.score.toFixed(4)}</span> <span>${typeof row.text === 'string' ? row.text : JSON.stringify(row)}</span></li>`)}</ol>`;
}
