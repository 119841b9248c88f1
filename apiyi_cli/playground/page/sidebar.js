// The left column: the commands, and what was sent before.
import { html, t, word, usd, locale } from './lib.js';

const HEADINGS = [['text', word('Text')], ['data', word('Data')], ['media', word('Media')], ['more', word('More')]];

export function Sidebar({ commands, current, running, history, search, isKept, act }) {
  const { entries } = history;
  const onScroll = event => { if (event.target.scrollTop + event.target.clientHeight > event.target.scrollHeight - 400) act.moreHistory(); };
  return html`<nav class="sidebar" aria-label=${t('Commands')}>
    <div class="groups">${HEADINGS.map(([heading, title]) => html`<div class="group"><h2>${t(title)}</h2><ul>${commands.filter(command => command.heading === heading).map(command => html`<li>
      <button type="button" aria-current=${command.name === current ? 'page' : undefined} title=${command.help} onClick=${() => act.choose(command.name)}>${command.name}${running.has(command.name) ? html`<span class="going" title=${t('running')}><span class="offscreen">${t('running')}</span></span>` : ''}</button></li>`)}</ul></div>`)}</div>
    <div class="history"><div class="history-head"><h2>${t('History')}</h2>${entries.length ? html`<button type="button" class="quiet" onClick=${() => act.ask('clear')}>${t('Clear')}</button>` : ''}</div>
      <input type="search" aria-label=${t('Search the history')} placeholder=${t('Search')} value=${search} onInput=${event => act.searchHistory(event.target.value)} />
      ${entries.length ? html`<ul class="entries" onScroll=${onScroll}>${entries.map(entry => html`<${Entry} key=${entry.id} entry=${entry} act=${act} />`)}
        ${history.more && html`<li><button type="button" class="quiet" onClick=${act.moreHistory}>${t('Older ({n})', { n: history.total - entries.length })}</button></li>`}</ul>`
        : html`<p class="muted">${!isKept ? t('No history is kept (--no-history).') : search ? t('nothing has that name') : t('nothing yet')}</p>`}</div>
  </nav>`;
}

function mark(entry) {
  if (entry.billed) return ['⚠', t('may be billed')];
  if (entry.exit === 0) return ['✓', t('ok')];
  return ['✕', t('failed')];
}

function Entry({ entry, act }) {
  const [sign, word] = mark(entry);
  const time = new Date(entry.at * 1000);
  const day = time.toDateString() === new Date().toDateString() ? time.toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }) : time.toLocaleDateString(locale(), { month: '2-digit', day: '2-digit' });
  return html`<li><button type="button" class="entry" onClick=${() => act.openEntry(entry.id)}>
    <span class="entry-top"><time>${day}</time> <strong>${entry.command}</strong> <span class=${entry.exit === 0 ? 'good' : 'bad'} title=${word}>${sign}<span class="offscreen">${word}</span></span>
      <span class="cost">${entry.cost != null ? usd(entry.cost) : entry.billed ? t('may be billed') : ''}</span></span>
    <span class="entry-text">${entry.prompt || entry.model || '–'}</span></button></li>`;
}
