// What lies over the page: the palette, the keys, a history entry, and questions.
import { html, t, useState, useEffect, useRef, useMemo, modKey, usd, saveText, locale } from './lib.js';
import { Files } from './answers.js';

export function Dialog({ title, onClose, children, wide }) {
  const place = useRef(null);
  useEffect(() => { place.current.showModal(); }, []);
  return html`<dialog ref=${place} class=${wide ? 'wide' : ''} aria-label=${title} onClose=${onClose} onClick=${event => { if (event.target === place.current) place.current.close(); }}>
    <div class="dialog-body">${children}</div></dialog>`;
}

export function Palette({ items, onClose }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const list = useRef(null);
  const words = text.toLowerCase().split(/\s+/);
  const found = useMemo(() => items.filter(item => words.every(word => `${item.kind} ${item.name} ${item.note ?? ''}`.toLowerCase().includes(word))).slice(0, 60), [text, items]);
  useEffect(() => { list.current?.children[at]?.scrollIntoView({ block: 'nearest' }); }, [at]);
  const choose = item => { onClose(); item?.run(); };
  const onKeyDown = event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); setAt(Math.max(0, Math.min(found.length - 1, at + step))); }
    if (event.key === 'Enter') { event.preventDefault(); choose(found[at]); }
  };
  return html`<${Dialog} title=${t('Palette')} onClose=${onClose}>
    <input type="text" class="palette-input" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant=${found.length ? `palette-${at}` : undefined}
      aria-label=${t('Find a command, option, model or entry')} placeholder=${t('Find a command, option, model or entry')} value=${text} autofocus
      onInput=${event => { setText(event.target.value); setAt(0); }} onKeyDown=${onKeyDown} />
    <ul role="listbox" id="palette-list" ref=${list} aria-label=${t('Matches')}>${found.map((item, place) => html`<li role="option" id=${`palette-${place}`} aria-selected=${place === at ? 'true' : 'false'}
      onMouseDown=${event => { event.preventDefault(); choose(item); }}><small>${item.kind}</small><span>${item.name}</span><small>${item.note ?? ''}</small></li>`)}</ul>
    ${!found.length && html`<p class="muted">${t('nothing has that name')}</p>`}
  </${Dialog}>`;
}

export function Keys({ onClose }) {
  const rows = [[`${modKey} ⏎`, t('Send')], ['Esc', t('Stop')], [`${modKey} K`, t('Palette: commands, options, models, history')], [`${modKey} ⇧ C`, t('Copy the command line')], ['?', t('These keys')]];
  return html`<${Dialog} title=${t('Keys')} onClose=${onClose}><h2>${t('Keys')}</h2>
    <dl class="keys">${rows.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <form method="dialog"><button class="primary" autofocus>${t('Close')}</button></form></${Dialog}>`;
}

export function Question({ text, detail, yes, onYes, onClose }) {
  return html`<${Dialog} title=${text} onClose=${onClose}><h2>${text}</h2><p>${detail}</p>
    <div class="button-row"><button type="button" class="primary" onClick=${() => { onClose(); onYes(); }}>${yes}</button><button type="button" autofocus onClick=${onClose}>${t('Cancel')}</button></div></${Dialog}>`;
}

export function EntryDialog({ entry, act, onClose }) {
  const [problem, setProblem] = useState('');
  const save = async form => {
    try {
      const { name, text } = await act.exportEntry(entry.id, form);
      saveText(name, text);
    } catch (failure) { setProblem(failure.message); }
  };
  return html`<${Dialog} wide title=${entry.command} onClose=${onClose}>
    <div class="body-head"><h2>${entry.command} · ${new Date(entry.at * 1000).toLocaleString(locale(), { hourCycle: 'h23' })}</h2>
      <form method="dialog"><button class="quiet" aria-label=${t('Close')}>×</button></form></div>
    <pre class="plain" tabindex="0">$ ${entry.line}</pre>
    ${entry.billing && !entry.task && html`<p class="warn">⚠ ${entry.billing}</p>`}
    ${entry.had_files && html`<p class="muted">${t('Its uploads were deleted: add them again.')}</p>`}
    <div class="plain entry-answer" tabindex="0">${entry.text || entry.error?.message || ''}</div>
    <${Files} run=${{ id: entry.id, kept: true, prompt: entry.prompt, end: entry }} />
    <div class="button-row">
      ${entry.task && html`<button type="button" class="primary" onClick=${() => { onClose(); act.resume(entry.task, entry.request.profile); }}>${t('Resume the video')}</button>`}
      <button type="button" class=${entry.task ? '' : 'primary'} autofocus onClick=${() => { onClose(); act.restore(entry); }}>${t('Open')}</button>
      <button type="button" onClick=${() => { onClose(); act.askAgain(entry); }}>${t('Run again')}${entry.cost != null ? ` · ${usd(entry.cost)}` : ''}</button>
      <button type="button" onClick=${() => save('sh')}>${t('Shell script')}</button>
      <button type="button" onClick=${() => save('http')}>.http</button>
      <button type="button" onClick=${() => save('batch')}>${t('Batch row')}</button>
      <button type="button" class="danger" onClick=${() => { onClose(); act.deleteEntry(entry.id); }}>${t('Delete')}</button>
    </div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
  </${Dialog}>`;
}
