// One field for each option of the table: what is not touched is not sent.
import { html, t, useState, useRef, useEffect, useMemo, bytes, price, tokens } from './lib.js';

export function isSet(value) {
  return value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);
}

function placeholder(option) {
  if (!option.value) return option.metavar ?? '';
  return option.origin ? `${option.value}  (${option.origin})` : option.value;
}

// The label, the field, and in small print what it is for and where it goes.
export function Field({ option, value, files, models, command, onValue, onFiles }) {
  const id = `f-${option.name}`;
  const set = isSet(value) || (files ?? []).length > 0;
  const label = option.long.replace(/^--/, '').replaceAll('-', ' ');
  const parts = { id, option, value, onValue, command, models, files, onFiles };
  const isGroup = option.kind === 'bool';
  return html`<div class=${`field ${set ? 'is-set' : ''}`} data-option=${option.name}>
    <div class="field-head">
      ${isGroup ? html`<span class="label" id=${`${id}-l`}>${label}</span>` : html`<label for=${id}>${label}</label>`}
      ${option.wire && option.wire !== label ? html`<code class="wire">${option.wire}</code>` : ''}
      ${set ? html`<button type="button" class="quiet clear" aria-label=${t('Clear {name}', { name: label })}
        onClick=${() => { onValue(undefined); onFiles?.([]); }}>×</button>` : ''}
    </div>
    <${control(option)} ...${parts} />
    <p class="hint" id=${`${id}-h`}>${option.help}</p>
  </div>`;
}

function control(option) {
  if (option.file) return FileField;
  if (option.kind === 'bool') return SwitchField;
  if (option.is_model) return ModelField;
  if (option.many) return ChipsField;
  if (option.kind !== 'str' && option.low !== null && option.high !== null && option.high - option.low <= 100) return SliderField;
  if (option.kind !== 'str') return NumberField;
  if (option.choices.length || option.suggestions.length) return ChoiceField;
  return TextField;
}

function SwitchField({ id, option, value, onValue }) {
  const states = [[undefined, t('not given')], [true, t('on')], ...(option.off ? [[false, t('off')]] : [])];
  return html`<div class="segments" role="radiogroup" aria-labelledby=${`${id}-l`} aria-describedby=${`${id}-h`}>
    ${states.map(([state, name]) => html`<label class=${value === state ? 'on' : ''}>
      <input type="radio" name=${id} checked=${value === state} onChange=${() => onValue(state)} />${name}
    </label>`)}
    ${option.value ? html`<span class="held">${option.value} · ${option.origin}</span>` : ''}
  </div>`;
}

function TextField({ id, option, value, onValue }) {
  const isLong = ['system', 'instructions', 'prompt', 'suffix'].includes(option.name);
  const props = { id, 'aria-describedby': `${id}-h`, value: value ?? '', placeholder: placeholder(option), spellcheck: isLong, onInput: event => onValue(event.target.value || undefined) };
  return isLong ? html`<textarea rows="2" ...${props}></textarea>` : html`<input type="text" autocomplete="off" ...${props} />`;
}

function NumberField({ id, option, value, onValue }) {
  return html`<input type="text" inputmode="decimal" autocomplete="off" id=${id} aria-describedby=${`${id}-h`} value=${value ?? ''}
    placeholder=${placeholder(option)} onInput=${event => onValue(event.target.value.trim() || undefined)} />`;
}

function SliderField({ id, option, value, onValue }) {
  const whole = option.kind === 'int';
  const middle = option.value || (option.name === 'temperature' || option.name === 'top_p' || option.name === 'speed' ? 1 : option.low);
  return html`<div class="slider">
    <input type="range" min=${option.low} max=${option.high} step=${whole ? 1 : 0.05} value=${value ?? middle}
      aria-label=${option.long} data-unset=${isSet(value) ? undefined : '1'} onInput=${event => onValue(event.target.value)} />
    <input type="text" inputmode="decimal" autocomplete="off" id=${id} aria-describedby=${`${id}-h`} value=${value ?? ''}
      placeholder=${option.value || '–'} onInput=${event => onValue(event.target.value.trim() || undefined)} />
    ${option.value ? html`<span class="held">${option.value} · ${option.origin}</span>` : ''}
  </div>`;
}

function ChoiceField({ id, option, value, onValue }) {
  const words = option.choices.length ? option.choices : option.suggestions;
  return html`<input type="text" list=${`${id}-d`} autocomplete="off" id=${id} aria-describedby=${`${id}-h`} value=${value ?? ''}
      placeholder=${placeholder(option)} onInput=${event => onValue(event.target.value.trim() || undefined)} />
    <datalist id=${`${id}-d`}>${words.map(word => html`<option value=${word}></option>`)}</datalist>`;
}

function ChipsField({ id, option, value, onValue }) {
  const [draft, setDraft] = useState('');
  const items = value ?? [];
  const add = () => {
    if (!draft) return;
    onValue([...items, draft]);
    setDraft('');
  };
  return html`<${Chips} items=${items} onDrop=${at => onValue(items.filter((_, place) => place !== at))} />
    <input type="text" id=${id} autocomplete="off" aria-describedby=${`${id}-h`} value=${draft} placeholder=${placeholder(option)}
      onInput=${event => setDraft(event.target.value)} onBlur=${add}
      onKeyDown=${event => { if (event.key === 'Enter' && !event.metaKey && !event.ctrlKey) { event.preventDefault(); add(); } }} />`;
}

export function Chips({ items, onDrop, name = item => item }) {
  if (!items.length) return '';
  return html`<ul class="chips">${items.map((item, at) => html`<li><span>${name(item)}</span>
    <button type="button" class="quiet" aria-label=${t('Remove {name}', { name: name(item) })} onClick=${() => onDrop(at)}>×</button></li>`)}</ul>`;
}

function FileField({ id, option, value, files, onValue, onFiles }) {
  const picker = useRef(null);
  const [draft, setDraft] = useState('');
  const kept = files ?? [];
  const items = option.many ? value ?? [] : [];
  const add = () => {
    if (!draft) return;
    onValue([...items, draft]);
    setDraft('');
  };
  return html`
    <${Chips} items=${kept} name=${file => `${file.name} · ${bytes(file.size)}`} onDrop=${at => onFiles(kept.filter((_, place) => place !== at))} />
    <${Chips} items=${items} onDrop=${at => onValue(items.filter((_, place) => place !== at))} />
    <div class="file-row">
      ${option.text && !option.many ? html`<textarea rows="2" id=${id} aria-describedby=${`${id}-h`} value=${value ?? ''} spellcheck=${false}
        placeholder=${option.metavar} onInput=${event => onValue(event.target.value || undefined)}></textarea>` : ''}
      ${(option.text || option.url) && option.many ? html`<input type="text" id=${id} aria-describedby=${`${id}-h`} value=${draft}
        placeholder=${option.url ? 'https://…' : option.metavar} onInput=${event => setDraft(event.target.value)} onBlur=${add}
        onKeyDown=${event => { if (event.key === 'Enter' && !event.metaKey && !event.ctrlKey) { event.preventDefault(); add(); } }} />` : ''}
      ${option.url && !option.many ? html`<input type="text" id=${id} aria-describedby=${`${id}-h`} value=${value ?? ''} placeholder="https://…"
        onInput=${event => onValue(event.target.value.trim() || undefined)} />` : ''}
      <input type="file" ref=${picker} class="offscreen" multiple=${option.many} tabindex="-1" aria-hidden="true"
        onChange=${event => { onFiles([...(option.many ? kept : []), ...event.target.files], true); event.target.value = ''; }} />
      <button type="button" id=${option.text || option.url ? undefined : id} onClick=${() => picker.current.click()}
        aria-label=${t('Upload a file for {name}', { name: option.long })}>${t('Upload…')}</button>
    </div>`;
}

// A list of models that filters as one types: those that the command cannot use come last.
export function ModelField({ id, option, value, models, command, onValue, single }) {
  const many = option.many && !single;
  const current = many ? (value ?? [])[0] ?? '' : value ?? '';
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  // A name that was chosen hides no other; what is typed does.
  const [typed, setTyped] = useState(false);
  const list = useRef(null);
  const shown = useMemo(() => filterModels(models, typed ? current : '', command), [models, typed, current, command]);
  const put = word => onValue(many ? (word ? [word, ...(value ?? []).slice(1)] : undefined) : word || undefined);
  const choose = row => { put(row.id); setTyped(false); setOpen(false); };
  useEffect(() => { list.current?.children[at]?.scrollIntoView({ block: 'nearest' }); }, [at]);
  const onKeyDown = event => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setOpen(true);
      setAt(Math.max(0, Math.min(shown.length - 1, at + (event.key === 'ArrowDown' ? 1 : -1))));
    } else if (event.key === 'Enter' && open && at >= 0 && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      choose(shown[at]);
    } else if (event.key === 'Enter') {
      setOpen(false);
    } else if (event.key === 'Escape' && open) {
      event.stopPropagation();
      setOpen(false);
    }
  };
  return html`<div class="combo">
    <input type="text" role="combobox" id=${id} autocomplete="off" spellcheck=${false} aria-expanded=${open ? 'true' : 'false'} aria-controls=${`${id}-list`}
      aria-autocomplete="list" aria-activedescendant=${open && at >= 0 ? `${id}-o${at}` : undefined} value=${current} placeholder=${placeholder(option)}
      onInput=${event => { put(event.target.value.trim()); setTyped(true); setOpen(true); setAt(-1); }} onClick=${() => setOpen(true)}
      onBlur=${() => setTimeout(() => setOpen(false), 150)} onKeyDown=${onKeyDown} />
    <ul role="listbox" id=${`${id}-list`} ref=${list} hidden=${!open || !shown.length} aria-label=${t('Models')}>
      ${shown.map((row, place) => html`<li role="option" id=${`${id}-o${place}`} aria-selected=${place === at ? 'true' : 'false'} class=${row.unfit.includes(command) ? 'unfit' : ''}
        onMouseDown=${event => { event.preventDefault(); choose(row); }}><span>${row.id}</span><small>${row.unfit.includes(command) ? t('not for this command') : [price(row.price), tokens(row.context)].filter(Boolean).join(' · ')}</small></li>`)}
    </ul>
  </div>`;
}

export function filterModels(models, text, command) {
  const words = text.toLowerCase().split(/\s+/);
  const found = models.filter(row => words.every(word => row.id.toLowerCase().includes(word)));
  const fit = row => (row.unfit.includes(command) ? 1 : 0);
  return found.sort((one, other) => fit(one) - fit(other)).slice(0, 80);
}
