// The middle column: prompt, model, the options by section, and what sends them.
import { html, t, word, useRef, useState, modKey, usd } from './lib.js';
import { Field, ModelField, Chips, isSet } from './fields.js';

const BESIDE_PROMPT = ['attach', 'file', 'system', 'messages', 'input', 'schema'];
// Sections that are seldom opened come last; the others keep the order of the table.
const LATE = ['Prompt', 'Output', 'Request', 'Model', 'Connection'];
const LABELS = { prompt: word('Prompt'), texts: word('Text'), query: word('Query'), recordings: word('Recordings'), words: word('Search'), path: word('Path') };

export function Form({ command, state, models, busy, estimate, problem, act }) {
  const options = command.sections.flatMap(section => section.options);
  const find = name => options.find(option => option.name === name);
  const [opened, setOpened] = useState({});
  const shown = BESIDE_PROMPT.filter(name => find(name) && (opened[name] || isSet(state.options[name]) || (state.files[name] ?? []).length));
  const model = find('model');
  const field = option => html`<${Field} key=${option.name} option=${option} value=${state.options[option.name]} files=${state.files[option.name]}
    models=${models} command=${command.name} onValue=${value => act.setOption(option.name, value)} onFiles=${(files, fresh) => act.setFiles(option.name, files, fresh)} />`;
  return html`<section class="form" aria-label=${t('Request')}>
    <header class="form-head"><h2>${command.name}</h2><p>${command.help}</p></header>
    <div class="form-body">
      <${Subject} command=${command} state=${state} act=${act} attach=${find('attach') ? 'attach' : find('input') ? 'input' : find('file') ? 'file' : null} />
      ${command.subject === 'texts' && find('lines') && field(find('lines'))}
      <div class="beside">${BESIDE_PROMPT.filter(find).map(name => html`<button type="button" class="quiet" aria-pressed=${shown.includes(name) ? 'true' : 'false'}
        onClick=${() => { setOpened({ ...opened, [name]: !opened[name] }); }}>+ ${find(name).long.replace('--', '')}</button>`)}</div>
      ${shown.map(name => field(find(name)))}
      ${model && html`<${ModelRow} option=${model} command=${command} state=${state} models=${models} act=${act} />`}
      ${[...command.sections].sort((one, other) => LATE.indexOf(one.name) - LATE.indexOf(other.name)).map(section => html`<${Section} key=${command.name + section.name} section=${section} state=${state} field=${field}
        hidden=${new Set(['model', 'option', ...(command.subject === 'texts' ? ['lines'] : []), ...BESIDE_PROMPT.filter(find)])} />`)}
      ${find('option') && html`<${AnyField} option=${find('option')} value=${state.options.option} onValue=${value => act.setOption('option', value)} />`}
    </div>
    <footer class="actions">
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      <div class="action-row">
        <button type="button" class="primary" onClick=${act.send} disabled=${busy}>${t('Send')} <kbd>${modKey} ⏎</kbd></button>
        <button type="button" onClick=${act.stop} disabled=${!busy}>${t('Stop')} <kbd>Esc</kbd></button>
        <button type="button" onClick=${act.dryRun}>${t('Dry run')}</button>
        <span class="estimate">${estimate != null ? t('est. ≤ {usd}', { usd: usd(estimate) }) : ''}</span>
      </div>
    </footer>
  </section>`;
}

function Subject({ command, state, act, attach }) {
  const [over, setOver] = useState(false);
  const label = t(LABELS[command.subject]);
  const drop = event => {
    event.preventDefault();
    setOver(false);
    const files = [...event.dataTransfer.files];
    const name = command.subject === 'recordings' ? '' : attach;
    if (files.length && name !== null) act.setFiles(name, [...(state.files[name] ?? []), ...files], true);
  };
  const zone = { onDragOver: event => { event.preventDefault(); setOver(true); }, onDragLeave: () => setOver(false), onDrop: drop };
  if (command.subject === 'recordings') return html`<${Recordings} ...${{ zone, over, state, act, label }} />`;
  return html`<div class=${`subject ${over ? 'over' : ''}`} ...${zone}>
    ${command.subject === 'path' ? html`<div class="api-row"><div><label for="method">${t('Method')}</label>
      <select id="method" value=${state.method || 'GET'} onChange=${event => act.set({ method: event.target.value })}>${act.methods.map(name => html`<option>${name}</option>`)}</select></div>
      <div><label for="prompt">${label}</label><input type="text" id="prompt" autocomplete="off" spellcheck=${false} placeholder="models" value=${state.prompt} onInput=${event => act.set({ prompt: event.target.value })} /></div></div>`
    : html`<label for="prompt">${label}</label>
    <textarea id="prompt" rows=${command.subject === 'prompt' || command.subject === 'texts' ? 5 : 1} value=${state.prompt} spellcheck=${command.subject === 'prompt'}
      placeholder=${attach ? t('Write here, or drop files') : ''}
      onInput=${event => act.set({ prompt: event.target.value })}></textarea>`}
    ${command.stdin && html`<label for="stdin">${command.subject === 'query' ? t('Documents, one a line') : t('Standard input')}</label>
      <textarea id="stdin" rows="4" value=${state.stdin} spellcheck=${false} onInput=${event => act.set({ stdin: event.target.value })}></textarea>`}
  </div>`;
}

function Recordings({ zone, over, state, act, label }) {
  const picker = useRef(null);
  const kept = state.files[''] ?? [];
  return html`<div class=${`subject drop ${over ? 'over' : ''}`} ...${zone}>
    <span class="label">${label}</span>
    <${Chips} items=${kept} name=${file => file.name} onDrop=${at => act.setFiles('', kept.filter((_, place) => place !== at))} />
    <input type="file" ref=${picker} class="offscreen" multiple tabindex="-1" aria-hidden="true" accept="audio/*,video/*"
      onChange=${event => { act.setFiles('', [...kept, ...event.target.files], true); event.target.value = ''; }} />
    <button type="button" onClick=${() => picker.current.click()}>${t('Upload recordings…')}</button>
  </div>`;
}

function ModelRow({ option, command, state, models, act }) {
  const compares = command.shape === 'stream';
  return html`<div class="field model" data-option="model">
    <div class="field-head"><label for="f-model">${t('Model')}</label>
      ${compares && state.compare.length < 3 && html`<button type="button" class="quiet" onClick=${() => act.set({ compare: [...state.compare, ''] })}>+ ${t('compare')}</button>`}</div>
    <${ModelField} id="f-model" option=${option} value=${state.options.model} models=${models} command=${command.name} onValue=${value => act.setOption('model', value)} />
    ${compares && state.compare.map((name, at) => html`<div class="compare-row">
      <label class="offscreen" for=${`f-model-${at}`}>${t('Model {n}', { n: at + 2 })}</label>
      <${ModelField} id=${`f-model-${at}`} option=${option} single value=${name} models=${models} command=${command.name}
        onValue=${value => act.set({ compare: state.compare.map((other, place) => (place === at ? value ?? '' : other)) })} />
      <button type="button" class="quiet" aria-label=${t('Remove {name}', { name: name || t('Model {n}', { n: at + 2 }) })}
        onClick=${() => act.set({ compare: state.compare.filter((_, place) => place !== at) })}>×</button></div>`)}
  </div>`;
}

function Section({ section, state, field, hidden }) {
  const options = section.options.filter(option => !hidden.has(option.name));
  const [wasSet] = useState(() => options.some(option => isSet(state.options[option.name]) || (state.files[option.name] ?? []).length > 0));
  if (!options.length) return '';
  const count = options.filter(option => isSet(state.options[option.name]) || (state.files[option.name] ?? []).length).length;
  return html`<details class="section" data-section=${section.name} open=${wasSet}>
    <summary>${section.title}${count ? html` <span class="count">${t('{n} set', { n: count })}</span>` : ''}</summary>
    <div class="fields">${options.map(field)}</div>
  </details>`;
}

function AnyField({ option, value, onValue }) {
  const rows = value ?? [];
  return html`<details class="section" data-section="any" data-option="option" open=${rows.length > 0}>
    <summary>${t('Any field')} <code>-O</code>${rows.length ? html` <span class="count">${t('{n} set', { n: rows.length })}</span>` : ''}</summary>
    <div class="fields"><${Field} option=${option} value=${value} onValue=${onValue} /></div>
  </details>`;
}
