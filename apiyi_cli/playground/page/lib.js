// The libraries under their names here, and the words of the page.
const { h, render, Component, createRef, Fragment } = globalThis.preact;
const { useState, useEffect, useRef, useMemo, useCallback, useReducer, useLayoutEffect } = globalThis.preactHooks;
const html = globalThis.htm.bind(h);

let words = {};
export function setWords(table) { words = table; }

// Returns a text in the language of the page; {name} is filled from the values.
export function t(text, values) {
  let shown = words[text] ?? text;
  for (const [name, value] of Object.entries(values ?? {})) shown = shown.replaceAll(`{${name}}`, String(value));
  return shown;
}

// Marks a text that `t` gets later, by a variable: the messages are collected from the scripts.
export const word = text => text;

// The language of the page, for dates.
export const locale = () => document.documentElement.lang || [];

export const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
export const modKey = isMac ? '⌘' : 'Ctrl';

export function usd(value) {
  if (value == null) return '';
  if (value === 0) return '$0';
  if (value < 0.000001) return '< $0.000001';
  return `$${value.toFixed(value >= 1 ? 2 : value >= 0.001 ? 4 : 6)}`;
}

export function price(row) {
  if (!row) return '';
  const [input, output, request] = row;
  const short = value => `$${+value.toPrecision(3)}`;
  if (request != null) return t('{usd} each', { usd: short(request) });
  return input != null && output != null ? `${short(input)} / ${short(output)} M` : '';
}

// A number of tokens: 128k, 1M.
export function tokens(count) {
  if (!count) return '';
  return count < 1000 ? String(count) : count < 1000000 ? `${+(count / 1000).toPrecision(3)}k` : `${+(count / 1000000).toPrecision(3)}M`;
}

export function bytes(size) {
  return size < 1024 ? `${size} B` : size < 1048576 ? `${(size / 1024).toFixed(0)} kB` : `${(size / 1048576).toFixed(1)} MB`;
}

export async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'offscreen';
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  announce(t('Copied'));
  if (button) {
    button.dataset.done = '1';
    setTimeout(() => delete button.dataset.done, 1200);
  }
}

export function saveText(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Says a short text to screen readers.
export function announce(text) {
  const place = document.getElementById('announcer');
  if (place) place.textContent = text;
}

export function CopyButton({ text, label }) {
  return html`<button type="button" class="quiet copy" onClick=${event => copyText(typeof text === 'function' ? text() : text, event.currentTarget)}>
    <span class="idle">${label ?? t('Copy')}</span><span class="done" aria-hidden="true">✓ ${t('Copied')}</span>
  </button>`;
}

export { h, html, render, Component, createRef, Fragment, useState, useEffect, useRef, useMemo, useCallback, useReducer, useLayoutEffect };
