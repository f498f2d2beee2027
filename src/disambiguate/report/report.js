'use strict';
// Titles reach the page as text nodes only. State: which name is shown, where its cut is, what was decided.
const data = JSON.parse(document.getElementById('data').textContent);
const SURE = 0.8, SHOWN = 200;
const state = { at: 0, cut: null, assigned: null, decisions: new Map(), undo: [] };
const $ = id => document.getElementById(id);

function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key in element) element[key] = value; else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
const colour = cluster => `hsl(${(cluster * 137.5 + 180) % 360} 65% 50%)`;
const swatch = cluster => { const s = make('span', { className: 'swatch' }); s.style.background = colour(cluster); return s; };
const plural = (n, what) => `${n} ${what}${n === 1 ? '' : 's'}`;
const percent = x => `${Math.round(100 * x)} %`;

// The cluster of every track when all merges up to a height are made, numbered from 1 by size.
function cutAt(name, height) {
  const n = name.tracks.length, root = Array.from({ length: n + name.merges.length }, (_, i) => i);
  for (let i = name.merges.length - 1; i >= 0; i--) {
    const [left, right, h] = name.merges[i];
    if (h <= height) { root[left] = root[n + i]; root[right] = root[n + i]; }
  }
  const sizes = new Map();
  for (let i = 0; i < n; i++) sizes.set(root[i], (sizes.get(root[i]) || 0) + 1);
  const order = [...sizes.keys()].sort((a, b) => sizes.get(b) - sizes.get(a));
  const number = new Map(order.map((key, i) => [key, i + 1]));
  return Array.from({ length: n }, (_, i) => number.get(root[i]));
}

function members(assigned) {
  const clusters = new Map();
  assigned.forEach((cluster, track) => clusters.has(cluster) ? clusters.get(cluster).push(track) : clusters.set(cluster, [track]));
  return new Map([...clusters].sort((a, b) => a[0] - b[0]));
}

function visible() {
  const text = $('filter').value.toLowerCase();
  return data.names.map((_, i) => i).filter(i => data.names[i].name.toLowerCase().includes(text));
}

function drawQueue() {
  const shown = visible();
  $('queue').replaceChildren(...shown.slice(0, 500).map(i => {
    const name = data.names[i], decision = state.decisions.get(i);
    const artists = new Set(name.tracks.map(t => t.cluster)).size;
    const note = decision ? `decided: ${decision.action}` : `${plural(name.tracks.length, 'track')}, ${plural(artists, 'artist')}, ${percent(name.confidence)} sure`;
    return make('li', {}, make('button', { type: 'button', className: decision ? 'decided' : '', ariaCurrent: String(i === state.at), onclick: () => show(i) },
      name.name, make('small', {}, note)));
  }));
  $('progress').textContent = `${state.decisions.size} of ${data.names.length} names decided`;
}

function show(i) {
  if (!data.names.length) return;
  state.at = i;
  const name = data.names[i], decision = state.decisions.get(i);
  state.cut = data.threshold;
  state.assigned = decision && decision.assigned ? decision.assigned.slice() : name.tracks.map(t => t.cluster);
  drawQueue();
  drawName();
  $('queue').querySelector('[aria-current=true]')?.scrollIntoView({ block: 'nearest' });
}

function player(track) {
  return track.audio ? make('audio', { controls: true, preload: 'none', src: track.audio, ariaLabel: `Play ${track.title}` }) : make('span', {}, 'no audio');
}

function trackRow(name, i) {
  const track = name.tracks[i];
  const select = make('select', { ariaLabel: `Artist of ${track.title}`, onchange: event => {
    remember(); state.assigned[i] = Number(event.target.value); drawName();
  } });
  const last = Math.max(...state.assigned);
  for (let cluster = 1; cluster <= last + 1; cluster++) {
    select.append(make('option', { value: String(cluster), selected: cluster === state.assigned[i] }, cluster > last ? 'new' : String(cluster)));
  }
  return make('tr', {}, make('td', {}, swatch(state.assigned[i]), select), make('td', {}, track.title), make('td', {}, track.album),
    make('td', {}, track.year), make('td', { className: track.confidence < SURE ? 'unsure' : '' }, percent(track.confidence)), make('td', {}, player(track)));
}

function trackTable(name, tracks) {
  const head = make('tr', {}, ...['Artist', 'Title', 'Album', 'Year', data.calibrated ? 'Probability' : 'Clearness', 'Listen'].map(text => make('th', { scope: 'col' }, text)));
  const table = make('table', {}, make('thead', {}, head), make('tbody', {}, ...tracks.slice(0, SHOWN).map(i => trackRow(name, i))));
  const rest = tracks.length - SHOWN;
  return rest > 0 ? [table, make('p', {}, `and ${rest} more`)] : [table];
}

function artistSection(name, cluster, tracks) {
  const albums = new Map();
  tracks.forEach(i => { const t = name.tracks[i]; if (t.album) albums.set(t.album, t.year); });
  const list = [...albums].slice(0, 12).map(([album, year]) => year ? `${album} (${year})` : album).join(' · ');
  const ordered = tracks.slice().sort((a, b) => name.tracks[a].confidence - name.tracks[b].confidence);
  return make('section', {}, make('h3', {}, swatch(cluster), `Artist ${cluster}: ${plural(tracks.length, 'track')}`), make('p', {}, list || 'no albums known'), ...trackTable(name, ordered));
}

function sentence(parts) { return make('li', {}, ...parts); }

function why(name) {
  const e = name.explanation, t = i => `“${name.tracks[i].title}”`, items = [];
  e.across.slice(0, 3).forEach(a => items.push(sentence([`Nearest across a border: ${t(a.tracks[0])} and ${t(a.tracks[1])}, ${a.distance.toFixed(3)} apart`])));
  e.albums.slice(0, 8).forEach(a => {
    const where = a.clusters.map(([c, n]) => `${n} in artist ${c}`).join(', ');
    items.push(sentence([`Album “${a.album}”: ${where}${a.carries ? ' — it is all that this artist has: perhaps the sound of an album' : ' — lies across a border'}`]));
  });
  if (e.several_artists.length) items.push(sentence([`Several artists by their titles: ${e.several_artists.slice(0, 8).map(t).join(', ')}`]));
  return items.length ? [make('h3', {}, 'Why'), make('ul', {}, ...items)] : [];
}

function listen(name) {
  const rows = [...name.explanation.medoids.map(([cluster, i]) => [`typical of ${cluster}`, i]), ...name.explanation.border.map(i => ['border', i])];
  if (!rows.length) return [];
  return [make('h3', {}, 'Listen first'), make('table', {}, make('tbody', {}, ...rows.slice(0, 24).map(([what, i]) =>
    make('tr', {}, make('td', {}, swatch(state.assigned[i]), what), make('td', {}, name.tracks[i].title), make('td', {}, player(name.tracks[i]))))))];
}

function drawName() {
  const name = data.names[state.at], clusters = members(state.assigned);
  const top = name.merges.length ? name.merges[name.merges.length - 1][2] : 1;
  const slider = make('input', { type: 'range', id: 'cut', min: '0', max: '1000', value: String(Math.round(1000 * Math.min(1, state.cut / (1.05 * top)))), ariaLabel: 'Height of the cut', oninput: event => moveCut(Number(event.target.value) / 1000 * 1.05 * top) });
  const canvas = (id, height, label) => { const c = make('canvas', { id, width: 1200, height, role: 'img' }); c.setAttribute('aria-label', label); return c; };
  const figure = (c, caption) => make('figure', {}, c, make('figcaption', {}, caption));
  const button = (text, key, action) => make('button', { type: 'button', title: `key ${key}`, onclick: action }, text);
  $('name').replaceChildren(
    make('h2', {}, name.name),
    make('p', {}, `${plural(name.tracks.length, 'track')}, ${plural(clusters.size, 'artist')} proposed, ${percent(name.confidence)} sure on average` + (data.calibrated ? `; about ${name.impact.toFixed(1)} likely misplaced` : '')),
    make('div', { className: 'actions' }, button('Accept as shown', 'a', () => decide('accept')), button('All one artist', 'm', () => decide('merge')),
      button('Split at the cut', 's', () => decide('split')), button('Skip', 'x', () => decide('skip')), button('Undo', 'u', undo)),
    figure(canvas('tree', 360, 'Dendrogram'), `Ward distance; the cut is at ${state.cut.toFixed(3)}. Drag it here or on the slider.`), slider,
    make('div', { className: 'plots' }, figure(canvas('map', 700, 'Map'), 'Two principal components; hollow: unsure'),
      figure(canvas('matrix', 700, 'Distances'), name.distances ? 'Distances in the order of the tree; dark is near' : 'No matrix: more tracks than a screen can show')),
    ...why(name), ...listen(name), ...[...clusters].map(([cluster, tracks]) => artistSection(name, cluster, tracks)));
  drawTree(name, top); drawMap(name); drawMatrix(name);
}

function moveCut(height) {
  const name = data.names[state.at];
  state.cut = Math.max(0, height);
  state.assigned = cutAt(name, state.cut);
  clearTimeout(moveCut.timer);
  drawTree(name, name.merges.length ? name.merges[name.merges.length - 1][2] : 1);
  moveCut.timer = setTimeout(() => { const focused = document.activeElement?.id; drawName(); if (focused === 'cut') $('cut').focus(); }, 150);
}

function drawTree(name, top) {
  const canvas = $('tree'), g = canvas.getContext('2d'), n = name.tracks.length, { width: w, height: h } = canvas;
  const x = new Float64Array(n + name.merges.length), y = new Float64Array(n + name.merges.length), of = new Array(n + name.merges.length);
  const up = height => h - 14 - (h - 30) * height / (1.05 * top || 1);
  name.leaves.forEach((leaf, i) => { x[leaf] = (i + .5) * w / n; y[leaf] = up(0); of[leaf] = state.assigned[leaf]; });
  g.clearRect(0, 0, w, h); g.lineWidth = n > 400 ? 1 : 2;
  name.merges.forEach(([left, right, height], i) => {
    const node = n + i, t = up(height);
    of[node] = of[left] === of[right] ? of[left] : null;
    g.strokeStyle = of[node] === null ? '#888' : colour(of[node]);
    g.beginPath(); g.moveTo(x[left], y[left]); g.lineTo(x[left], t); g.lineTo(x[right], t); g.lineTo(x[right], y[right]); g.stroke();
    x[node] = (x[left] + x[right]) / 2; y[node] = t;
  });
  g.strokeStyle = '#dc2626'; g.setLineDash([8, 6]); g.beginPath(); g.moveTo(0, up(state.cut)); g.lineTo(w, up(state.cut)); g.stroke(); g.setLineDash([]);
  name.leaves.forEach((leaf, i) => { g.fillStyle = colour(state.assigned[leaf]); g.fillRect(i * w / n, h - 10, Math.max(1, w / n - (n < 200 ? 1 : 0)), 10); });
  const drag = event => { const box = canvas.getBoundingClientRect(); moveCut((h - 14 - (event.clientY - box.top) * h / box.height) / (h - 30) * 1.05 * top); };
  canvas.onpointerdown = event => { canvas.setPointerCapture(event.pointerId); canvas.onpointermove = drag; drag(event); };
  canvas.onpointerup = () => { canvas.onpointermove = null; };
}

function drawMap(name) {
  const canvas = $('map'), g = canvas.getContext('2d'), { width: w, height: h } = canvas;
  const size = name.tracks.length > 500 ? 5 : 9;
  name.tracks.forEach((track, i) => {
    g.beginPath(); g.arc(w / 2 + track.x * (w / 2 - 30), h / 2 - track.y * (h / 2 - 30), size, 0, 7);
    g.strokeStyle = g.fillStyle = colour(state.assigned[i]); g.lineWidth = 2;
    if (track.confidence < SURE) g.stroke(); else g.fill();
  });
}

function drawMatrix(name) {
  const canvas = $('matrix');
  if (!name.distances) { canvas.height = 40; return; }
  const n = name.tracks.length, image = new ImageData(n, n);
  let at = 0;
  const put = (row, column, value) => { const p = 4 * (row * n + column); image.data[p] = value; image.data[p + 1] = value; image.data[p + 2] = Math.min(255, 60 + value * .76); image.data[p + 3] = 255; };
  for (let i = 0; i < n; i++) { put(i, i, 0); for (let j = i + 1; j < n; j++) { const v = name.distances[at++]; put(i, j, v); put(j, i, v); } }
  const small = make('canvas', { width: n, height: n }); small.getContext('2d').putImageData(image, 0, 0);
  canvas.width = canvas.height = 700;
  const g = canvas.getContext('2d'); g.imageSmoothingEnabled = false; g.drawImage(small, 0, 0, canvas.width, canvas.height);
}

// Undo goes back over decisions and over changes of single tracks.
function remember() {
  state.undo.push({ at: state.at, assigned: state.assigned.slice(), decision: state.decisions.get(state.at) });
}

function decide(action) {
  if (!data.names.length) return;
  const name = data.names[state.at];
  remember();
  if (action === 'merge') state.assigned = name.tracks.map(() => 1);
  if (action === 'split') state.assigned = cutAt(name, state.cut);
  state.decisions.set(state.at, { action, assigned: action === 'skip' ? null : state.assigned.slice() });
  const next = data.names.findIndex((_, i) => i > state.at && !state.decisions.has(i));
  show(next < 0 ? state.at : next);
}

function undo() {
  const last = state.undo.pop();
  if (!last) return;
  if (last.decision) state.decisions.set(last.at, last.decision); else state.decisions.delete(last.at);
  show(last.at);
  state.assigned = last.assigned;
  drawName();
}

function decisionLines() {
  return [...state.decisions].sort((a, b) => a[0] - b[0]).map(([i, { action, assigned }]) => {
    const name = data.names[i];
    if (action === 'skip') return JSON.stringify({ decision: 'skip', name: name.name });
    const clusters = [...members(assigned).values()].map(tracks => tracks.map(track => name.tracks[track].id));
    return JSON.stringify({ decision: 'lock', name: name.name, clusters });
  }).join('\n') + '\n';
}

function exportDecisions() {
  const link = make('a', { href: URL.createObjectURL(new Blob([decisionLines()], { type: 'application/x-ndjson' })), download: 'decisions.jsonl' });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function step(by) {
  const shown = visible(), place = shown.indexOf(state.at);
  if (shown.length) show(shown[Math.min(shown.length - 1, Math.max(0, place + by))]);
}

function nudge(by) {
  const name = data.names[state.at], heights = name.merges.map(merge => merge[2]);
  const made = heights.filter(height => height <= state.cut).length + by;
  if (made < 0 || made > heights.length) return;
  const low = made ? heights[made - 1] : 0, high = made < heights.length ? heights[made] : 1.05 * low || 1;
  moveCut((low + high) / 2);
}

const keys = { a: () => decide('accept'), m: () => decide('merge'), s: () => decide('split'), x: () => decide('skip'), u: undo,
  j: () => step(1), k: () => step(-1), e: exportDecisions, '[': () => nudge(-1), ']': () => nudge(1) };
document.addEventListener('keydown', event => {
  const typing = ['INPUT', 'SELECT', 'TEXTAREA'].includes(event.target.tagName) && event.target.type !== 'range';
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
$('filter').addEventListener('input', drawQueue);
$('export').addEventListener('click', exportDecisions);
window.addEventListener('beforeunload', event => { if (state.decisions.size) event.preventDefault(); });
if (data.names.length) show(0);
