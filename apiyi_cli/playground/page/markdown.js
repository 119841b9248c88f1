// A model's answer as nodes: Markdown that is sanitised, HTML in it shown as text.
import { html, useLayoutEffect, useRef, t, copyText } from './lib.js';

const { Marked } = globalThis.marked;
const escapeText = text => text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`);
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/=\s]+)$/;

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escapeText(text),
    // A remote picture would tell its server what the address says: it stays a link.
    image: ({ href, text }) => PICTURE.test(href)
      ? `<code>\u0001${escapeText(href)}</code>`
      : `<a href="${escapeText(href)}">${escapeText(text || href)}</a>`,
  },
});
const RULES = {
  ALLOWED_TAGS: ['a', 'p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'pre', 'code',
    'blockquote', 'em', 'strong', 'del', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'input'],
  ALLOWED_ATTR: ['href', 'start', 'align', 'type', 'checked', 'disabled', 'class'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  // Their values are no addresses, and would be taken for bad ones.
  ADD_URI_SAFE_ATTR: ['align', 'start', 'type'],
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

function toNodes(token, links) {
  const tokens = [token];
  tokens.links = links;
  const fragment = globalThis.DOMPurify.sanitize(marked.parser(tokens), RULES);
  for (const link of fragment.querySelectorAll('a')) {
    if (!link.hasAttribute('href')) continue;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  }
  for (const box of fragment.querySelectorAll('input')) {
    if (box.type !== 'checkbox') box.remove();
    box.disabled = true;
    box.setAttribute('aria-label', box.checked ? t('done') : t('to do'));
  }
  for (const node of fragment.querySelectorAll('[class]')) {
    if (!/^language-[\w+#.-]+$/.test(node.className)) node.removeAttribute('class');
  }
  for (const code of fragment.querySelectorAll('code')) {
    const found = code.textContent.startsWith('\u0001') && PICTURE.exec(code.textContent.slice(1));
    if (found) code.replaceWith(toPicture(found[1], found[2]));
  }
  for (const pre of fragment.querySelectorAll('pre')) frameCode(pre);
  for (const table of fragment.querySelectorAll('table')) {
    const frame = document.createElement('div');
    frame.className = 'table-frame';
    frame.tabIndex = 0;
    frame.setAttribute('role', 'region');
    frame.setAttribute('aria-label', t('Table'));
    table.replaceWith(frame);
    frame.append(table);
  }
  return [...fragment.childNodes];
}

function toPicture(type, data) {
  const picture = document.createElement('img');
  const raw = Uint8Array.from(atob(data.replace(/\s/g, '')), char => char.charCodeAt(0));
  picture.src = URL.createObjectURL(new Blob([raw], { type: `image/${type}` }));
  picture.alt = t('Picture of the answer');
  return picture;
}

function frameCode(pre) {
  const code = pre.querySelector('code');
  const frame = document.createElement('div');
  frame.className = 'code-frame';
  const bar = document.createElement('div');
  bar.className = 'code-bar';
  const name = document.createElement('span');
  name.textContent = (code?.className ?? '').replace('language-', '');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet';
  button.textContent = t('Copy');
  button.addEventListener('click', () => copyText(pre.textContent, button));
  bar.append(name, button);
  pre.tabIndex = 0;
  pre.replaceWith(frame);
  frame.append(bar, pre);
}

// Shows Markdown that grows: blocks that are complete keep their nodes.
export function Markdown({ text, busy, label }) {
  const place = useRef(null);
  const blocks = useRef([]);
  useLayoutEffect(() => {
    const tokens = marked.lexer(text);
    const before = blocks.current;
    let at = 0;
    while (at < tokens.length && at < before.length && tokens[at].raw === before[at].raw) at += 1;
    for (const block of before.splice(at)) block.nodes.forEach(node => node.remove());
    for (const token of tokens.slice(at)) {
      const nodes = toNodes(token, tokens.links);
      before.push({ raw: token.raw, nodes });
      place.current.append(...nodes);
    }
  }, [text]);
  return html`<div class="prose" ref=${place} aria-live="polite" aria-busy=${busy ? 'true' : 'false'} aria-label=${label} role="region"></div>`;
}
