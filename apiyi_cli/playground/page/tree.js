// A JSON value as a tree; with `onEdit` its leaves can be changed.
import { html, t, useState } from './lib.js';

export function Tree({ value, name, depth = 0, path = [], onEdit, changed }) {
  if (value === null || typeof value !== 'object') {
    return html`<div class="leaf">${name !== undefined && html`<span class="key">${name}</span>`}<${Leaf} value=${value} path=${path} onEdit=${onEdit} changed=${changed} /></div>`;
  }
  const entries = Array.isArray(value) ? value.map((item, at) => [at, item]) : Object.entries(value);
  const summary = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  const rows = entries.slice(0, 500);
  return html`<details class="tree" open=${depth < 3 && entries.length < 50}>
    <summary>${name !== undefined ? html`<span class="key">${name}</span>` : ''}<span class="size">${summary}</span></summary>
    <div class="inner">${rows.map(([key, item]) => html`<${Tree} key=${key} name=${key} value=${item} depth=${depth + 1} path=${[...path, key]} onEdit=${onEdit} changed=${changed} />`)}
      ${entries.length > rows.length ? html`<div class="leaf">… ${entries.length - rows.length}</div>` : ''}</div>
  </details>`;
}

function Leaf({ value, path, onEdit, changed }) {
  const [draft, setDraft] = useState(null);
  const kind = value === null ? 'null' : typeof value;
  const long = typeof value === 'string' && value.length > 400 ? `${value.slice(0, 400)}… (${value.length})` : value;
  const text = typeof value === 'string' ? JSON.stringify(long) : String(value);
  if (!onEdit) return html`<span class=${`value ${kind}`}>${text}</span>`;
  const save = () => {
    if (draft === null) return;
    let next = draft;
    if (typeof value !== 'string') {
      try { next = JSON.parse(draft); } catch { /* becomes a text */ }
    }
    setDraft(null);
    if (next !== value) onEdit(path, next);
  };
  if (draft !== null) {
    return html`<input type="text" class="edit" aria-label=${path.join('.')} value=${draft} onInput=${event => setDraft(event.target.value)} onBlur=${save}
      ref=${node => node && document.activeElement !== node && node.focus()}
      onKeyDown=${event => { if (event.key === 'Enter') save(); if (event.key === 'Escape') { event.stopPropagation(); setDraft(null); } }} />`;
  }
  return html`<button type="button" class=${`value ${kind} quiet`} title=${t('Edit')} onClick=${() => setDraft(typeof value === 'string' ? value : JSON.stringify(value))}>${text}</button>`;
}

// Returns the -O values for a changed leaf: a list on the way is sent whole.
export function toOption(body, path, value) {
  const at = path.findIndex(step => typeof step === 'number');
  const place = at < 0 ? path : path.slice(0, at);
  const copy = JSON.parse(JSON.stringify(body));
  let inner = copy;
  for (const step of path.slice(0, -1)) inner = inner[step];
  inner[path.at(-1)] = value;
  let whole = copy;
  for (const step of place) whole = whole[step];
  const key = place.map(step => String(step).replaceAll('.', '\\.')).join('.');
  return [key, `${key}=${JSON.stringify(whole)}`];
}
