// What recordings say: text, JSON, or subtitles beside a player of the recording.
import { html, t, useMemo, useRef, saveText, CopyButton } from './lib.js';
import { Tree } from './tree.js';

const CUE = /(?:\d+\s*\n)?((?:\d+:)?\d+:\d+[.,]\d+) --> ((?:\d+:)?\d+:\d+[.,]\d+)[^\n]*\n([\s\S]*?)(?=\n\s*\n|$)/g;
const seconds = text => text.replace(',', '.').split(':').reduce((sum, part) => sum * 60 + Number(part), 0);

// Cues by recording: the answers of several follow each other, and each begins anew.
function readCues(text) {
  const parts = [];
  let last = Infinity;
  for (const [, start, , words] of text.matchAll(CUE)) {
    const at = seconds(start);
    if (at < last) parts.push([]);
    last = at;
    parts.at(-1).push({ start, at, words });
  }
  return parts;
}

function readValues(lines) {
  const filled = lines.filter(line => line.trim());
  try { return filled.map(line => JSON.parse(line)).filter(value => value && typeof value === 'object'); } catch { return []; }
}

export function Transcript({ run }) {
  const text = run.lines.join('\n');
  const parts = useMemo(() => readCues(text), [text]);
  const values = useMemo(() => readValues(run.lines), [text]);
  const kind = values.length ? 'json' : !parts.length ? 'txt' : text.includes('WEBVTT') ? 'vtt' : 'srt';
  const stem = (run.sounds[0]?.name ?? 'transcript').replace(/\.[^.]*$/, '');
  return html`${values.length ? values.map(value => html`<${Tree} value=${value} />`)
      : parts.length ? parts.map((cues, at) => html`<${Cues} cues=${cues} sound=${run.sounds[at]} name=${parts.length > 1 ? run.sounds[at]?.name : ''} />`)
      : html`<div class="plain">${text}</div>`}
    ${run.end && text && html`<div class="button-row"><button type="button" onClick=${() => saveText(`${stem}.${kind}`, text)}>${t('Download')} <code>.${kind}</code></button><${CopyButton} text=${text} /></div>`}`;
}

function Cues({ cues, sound, name }) {
  const player = useRef(null);
  const play = at => { player.current.currentTime = at; player.current.play(); };
  return html`<div class="recording">${name && html`<h3>${name}</h3>`}
    ${sound && html`<audio controls ref=${player} src=${sound.url} aria-label=${sound.name}></audio>`}
    <ol class="cues">${cues.map(cue => html`<li>${sound ? html`<button type="button" class="quiet" aria-label=${t('Play from {time}', { time: cue.start })} onClick=${() => play(cue.at)}>${cue.start}</button>` : html`<span class="ms">${cue.start}</span>`} <span>${cue.words}</span></li>`)}</ol></div>`;
}
