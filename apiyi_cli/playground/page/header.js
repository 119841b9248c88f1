// The line at the top: where requests go, what today cost, and how the page looks.
import { html, t, isMac, usd } from './lib.js';

export function Header({ schema, profile, setProfile, status, today, lang, setLang, theme, setTheme, openKeys, openPalette }) {
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
